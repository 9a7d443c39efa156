"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real recordings that are not part of the project; skips where they are absent.

    `MASKLET_SHARED` names the folder that holds `data/`; by default `shared` beside the checkout.
    """
    shared = Path(os.environ.get("MASKLET_SHARED", CHECKOUT.parent / "shared"))
    if not (shared / "data").is_dir():
        pytest.skip(f"no reference recordings in {shared} (set MASKLET_SHARED to their folder)")
    return shared / "data"
