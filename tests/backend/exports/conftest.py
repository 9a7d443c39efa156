"""A labelled scene for the tests of exports."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.projects.models import Role
from tests.backend.exports.labelling import Labelled, label_scene
from tests.builders import build_project, build_stored_scene, build_user


@pytest.fixture(autouse=True)
def own_data(settings, tmp_path: Path) -> None:
    """Exports are written aside below DATA, and leftovers there are removed."""
    settings.DATA = tmp_path / "data"


@pytest.fixture
def labelled(db: None) -> Labelled:
    project = build_project()
    ann = build_user("ann", project=project)
    manager = build_user("mia", project=project, role=Role.MANAGER)
    scene = build_stored_scene(project, frames=3)
    label_scene(scene, ann, manager)
    return Labelled(project, scene, ann, manager)
