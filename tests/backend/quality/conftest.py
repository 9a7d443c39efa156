"""A project with a drive of four frames, and its people."""

from __future__ import annotations

import pytest

from backend.projects.models import Role
from tests.backend.quality.labels import FRAMES
from tests.builders import build_project, build_stored_scene, build_user


@pytest.fixture
def project(db):
    return build_project()


@pytest.fixture
def scene(project):
    return build_stored_scene(project, frames=FRAMES)


@pytest.fixture
def mia(project):
    return build_user("mia", project=project, role=Role.MANAGER)


@pytest.fixture
def rita(project):
    return build_user("rita", project=project, role=Role.REVIEWER)


@pytest.fixture
def ann(project):
    return build_user("ann", project=project)


@pytest.fixture
def ben(project):
    return build_user("ben", project=project)
