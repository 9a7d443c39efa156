"""The pages that describe the code say what the code says."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from django.apps import apps
from django.conf import settings

from backend.protocol import records

CHECKOUT = Path(__file__).parent.parent
DICTIONARY = (CHECKOUT / "docs" / "data-dictionary.md").read_text()


def fields_by_heading(part: str) -> dict[str, set[str]]:
    """Heading -> the names in the first column of its table, of one part of the dictionary."""
    text = DICTIONARY.split(f"## {part}\n")[1].split("\n## ")[0]
    found: dict[str, set[str]] = {}
    for section in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        rows = re.findall(r"^\| ([a-z0-9_, ]+) \|", body, re.MULTILINE)
        found[heading.strip()] = {name for row in rows for name in row.split(", ")}
    return found


def test_the_dictionary_has_every_table_with_its_fields():
    tables = {
        f"{app}.{model.__name__}": {
            f.name for f in (*model._meta.fields, *model._meta.many_to_many)
        }
        - {"id"}
        for app in settings.LOCAL_APPS
        for model in apps.get_app_config(app).get_models()
        if app != "accounts"  # Django's own user, as it is
    }

    assert len(tables) > 15
    assert fields_by_heading("Tables") == tables


def test_the_dictionary_has_every_record_with_its_fields():
    fields: dict[str, set[str]] = {
        name: set(record.model_fields)
        for name, record in inspect.getmembers(records, inspect.isclass)
        if issubclass(record, records.Record) and record is not records.Record
    }

    described = fields_by_heading("Records on the wire")

    listed = [name for heading in described for name in heading.split(", ")]
    assert sorted(listed) == sorted(fields)
    for heading, names in described.items():
        assert names == set().union(*(fields[name] for name in heading.split(", "))), heading


def test_architecture_fits_its_300_lines_and_names_every_room():
    text = (CHECKOUT / "ARCHITECTURE.md").read_text()
    rooms = {
        path.name.removesuffix(".py")
        for folder in ("backend", "inference")
        for path in (CHECKOUT / folder).iterdir()
        if not path.name.startswith("_") and path.name != "settings.py"
    }

    assert len(text.splitlines()) < 300
    assert {room for room in rooms if f"`{room}`" not in text} == set()


def test_what_the_pages_link_to_exists():
    for page in ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "deploy/README.md"):
        text = (CHECKOUT / page).read_text()
        for name in re.findall(r"`((?:backend|inference|tests|docs|deploy)/[\w./-]+)`", text):
            assert (CHECKOUT / name).exists(), f"{page} names {name}"


def test_decisions_are_numbered_without_gaps_and_short():
    files = sorted((CHECKOUT / "docs" / "decisions").glob("*.md"))

    assert [int(file.name[:4]) for file in files] == list(range(1, len(files) + 1))
    for file in files:
        text = file.read_text()
        assert text.startswith(f"# {int(file.name[:4])}. ")
        assert len(text.splitlines()) <= 60, f"{file.name} is longer than a page"


def test_every_app_has_its_migrations():
    """`makemigrations --check` is silent when an app's whole package is missing."""
    for app in settings.LOCAL_APPS:
        assert (CHECKOUT / "migrations" / app / "__init__.py").is_file(), app
        assert list((CHECKOUT / "migrations" / app).glob("0001_*.py")), app
