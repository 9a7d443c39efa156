"""Fixtures of the backend's tests."""

from __future__ import annotations

from pathlib import Path

import pytest


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
