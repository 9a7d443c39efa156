"""Flow 3: labels are reviewed, and leave as files that another program reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from django.test import Client

from backend.annotations.errors import Frozen
from backend.exports.tasks import run_export
from backend.jobs.models import Job, State
from backend.projects.models import Role
from backend.protocol import messages
from inference.datasets import READERS
from tests.backend.exports.labelling import edit, label_scene, pixels, put
from tests.builders import CAMERA, build_project, build_stored_scene, build_user


def test_what_a_reviewer_accepts_is_what_leaves(db: None, settings, tmp_path: Path):
    settings.DATA = tmp_path / "data"
    project = build_project()
    scene = build_stored_scene(project, frames=2)
    ann = build_user("ann", project=project)
    rita = build_user("rita", project=project, role=Role.REVIEWER)
    mia = build_user("mia", project=project, role=Role.MANAGER)
    label_scene(scene, ann, mia)
    task = f"/api/tasks/{scene.tasks.get().pk}"

    # Handed in, sent back, corrected, handed in again, accepted.
    assert ask(ann, f"{task}/submit").status_code == 200
    assert ask(rita, f"{task}/send_back", reason="the car is larger").status_code == 200
    put(scene, 2, 1, 0, pixels(np.s_[26:40, 24:44]), by=ann)
    assert ask(ann, f"{task}/submit").status_code == 200
    assert ask(rita, f"{task}/accept").status_code == 200
    with pytest.raises(Frozen):
        edit(scene, messages.DeleteTrack(track=2), by=ann)

    # Exported as a job, fetched, read by a program that knows no database.
    wanted = {"scenes": [scene.pk], "format": "native"}
    job_id = ask(mia, f"/api/projects/{project.pk}/exports", **wanted).json()["id"]
    run_export(job_id)
    assert Job.objects.get(pk=job_id).state == State.DONE
    client = Client()
    client.force_login(mia)
    archive = tmp_path / "labels.zip"
    archive.write_bytes(b"".join(client.get(f"/api/exports/{job_id}/download")))
    frame = READERS["native"](archive).frames[1]

    areas = {m.track: int(m.mask.sum()) for m in frame.labels.masks if m.sensor == CAMERA}
    assert areas == {"1": 10 * 16, "2": 14 * 20}


def ask(person, address: str, **body: object):
    client = Client()
    client.force_login(person)
    return client.post(address, body, content_type="application/json")
