"""Whatever the schema allows, and a good deal that it does not, is answered: never with an error of the server's own."""

from __future__ import annotations

from collections import Counter

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.db import transaction
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings

from backend.accounts.actions import create_token
from tests.backend.test_permission_matrix import ADMIN, World, world

__all__ = ["world"]
SCHEMA = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(public=True))
LEAVE_OUT = {"/api/session"}  # what it does belongs to a browser
TRIES = 12  # of each operation


attempts = settings(
    max_examples=TRIES, deadline=None, database=None, derandomize=True,
    phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip


class _Asking:
    """Sends requests, takes back whatever they changed, and keeps what went wrong."""

    def __init__(self, world: World | None, token: str) -> None:
        self.world, self.token = world, token
        self.app = get_wsgi_application()
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()

    def ask(self, case: schemathesis.Case) -> None:
        path = case.operation.path
        if self.world is not None and case.path_parameters:
            numbers = self.world.numbers
            if path.startswith("/api/exports/"):
                numbers = {**numbers, "job_id": numbers["export_job_id"]}
            case.path_parameters = {n: numbers.get(n, v) for n, v in case.path_parameters.items()}
        with transaction.atomic():
            response = case.call(app=self.app, headers={"Authorization": f"Bearer {self.token}"})
            transaction.set_rollback(True)
        self.counts[case.operation.label] += 1
        if response.status_code >= 500:
            self.failures.append(f"{case.operation.label}: {case.as_curl_command()}")


def test_the_schema_has_every_operation():
    operations = [found.ok() for found in SCHEMA.get_all_operations()]

    assert len(operations) > 40
    undescribed = [
        operation.label for operation in operations
        if operation.method != "delete" and not operation.responses.status_codes
    ]  # fmt: skip
    assert undescribed == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning")
@pytest.mark.parametrize("is_there", [True, False], ids=["what is there", "anything"])
def test_no_request_makes_the_server_fail(world: World, one_connection, is_there: bool):
    """is_there: numbers in addresses are those of rows that are there."""
    _, token = create_token(world.people[ADMIN], name="t", scope="write", days=1)
    asking = _Asking(world if is_there else None, token)

    for found in SCHEMA.get_all_operations():
        operation = found.ok()
        if operation.path not in LEAVE_OUT:
            attempts(given(case=operation.as_strategy())(asking.ask))()

    assert asking.failures == []
    assert len(asking.counts) > 40
    assert sum(asking.counts.values()) > 300
