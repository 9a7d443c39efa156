"""Fixtures of the backend's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections


@pytest.fixture(autouse=True)
def own_folders(settings, tmp_path: Path) -> Path:
    """Each test has its own object store and upload folder."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "backend.scenes.folder.AtomicFolder",
            "OPTIONS": {"location": str(tmp_path / "objects"), "allow_overwrite": True},
        },
    }
    settings.UPLOADS = tmp_path / "uploads"
    return tmp_path


@pytest.fixture(autouse=True)
def quick_passwords(settings) -> None:
    """Hashing that is slow on purpose would be most of the tests' time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def one_connection() -> Iterator[None]:
    """Requests to the server as a WSGI application run on the test's own connection, which a finished one
    would close.
    """
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)
