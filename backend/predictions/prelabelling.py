"""Pre-labelling as a job: the engine over one scene, its labels written frame by frame.

Started as `celery -A backend.celery worker -I backend.predictions.prelabelling -Q engine -P solo`; as many
workers as there are processors to spare take as many scenes at once.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from celery import shared_task
from django.conf import settings

from backend.annotations.errors import InvalidEdit
from backend.annotations.prelabels import FoundMask, Known, Writer, cuboids_of
from backend.jobs import actions as jobs
from backend.jobs.models import Job
from backend.jobs.tasks import run
from backend.predictions.queries import scene_of
from backend.projects.models import LabelClass
from backend.scenes.models import Scene
from backend.scenes.queries import read_scene
from backend.scenes.sweep_codec import BadObject
from inference.engine.pipeline import PreLabels
from inference.engine.pipeline import run as run_pipeline
from inference.engine.products import found_in
from inference.engine.providers import Provider, load_provider
from inference.masks import encode_runs
from inference.scene import BadScene

EXPECTED = (InvalidEdit, BadScene, BadObject)
# What the stages of the pipeline tell, and how many times they go through the frames.
_STAGES = ("reading", "following clusters", "finding masklets", "fusing")
_PASSES = len(_STAGES) + 2  # comparing with what is there, and writing

Told = Callable[[Job], None]


def nobody(job: Job) -> None:
    pass


@shared_task(name="backend.predictions.prelabelling.run_engine")  # type: ignore[untyped-decorator]
def run_engine(job_id: int) -> None:
    run(job_id, prelabel, expected=EXPECTED)


def prelabel(job: Job, *, provider: Provider | None = None, watch: Told = nobody) -> dict[str, Any]:
    """Label the scene of an engine job. A job that is resumed looks at no picture again if it had seen them
    all; what it wrote stays once.
    """
    scene = Scene.objects.select_related("project").get(pk=scene_of(job))
    frames = scene.frames.count()

    def tell(stage: str, done: int, passed: int) -> None:
        what = f"{stage}: frame {done} of {frames}"
        jobs.progress(job, done=passed * frames + done, total=_PASSES * frames, message=what)
        watch(job)

    provider = provider or _provider(job, scene)
    cuboids = cuboids_of(scene)
    keep = settings.DATA / "engine" / str(job.pk)
    found = run_pipeline(
        read_scene(scene), provider, boxes=lambda frame: cuboids.get(frame.index, ()),
        told=lambda stage, done, total: tell(stage, done, _STAGES.index(stage)), keep=keep,
    )  # fmt: skip
    writer = Writer(
        scene, uuid5(NAMESPACE_URL, f"masklet:engine:{job.pk}"), job.requested_by,
        f"engine, {provider.name}", provider.version, found.quality.scores,
        {t.number: int(t.box) for t in found.labels.tracks.values() if t.box is not None},
    )  # fmt: skip
    writer.recall()
    cleared = writer.clear()
    known = Known(writer)
    masks: list[
        tuple[int, list[FoundMask]]
    ] = []  # as runs they are small: of each frame, with its index
    for position, frame in enumerate(found.drive.frames):
        masks.append((frame.index, list(_masks(found, position))))
        known.compare(*masks[-1])
        tell("comparing", position + 1, len(_STAGES))
    writer.skipped = known.labelled_already()
    for done, (index, some) in enumerate(masks, 1):
        writer.write(index, some)
        tell("writing", done, len(_STAGES) + 1)
    shutil.rmtree(keep, ignore_errors=True)
    return {
        "summary": _summary(writer, cleared),
        "tracks": len(writer.tracks),
        "in_boxes": len(writer.boxed),
        "masks": writer.masks,
        "replaced": cleared,
        "labelled_already": len(writer.skipped),
        "remarks": list(found.remarks),
    }


def _provider(job: Job, scene: Scene) -> Provider:
    """The one that the job asks for, or the installation's; asked about the project's classes."""
    name = job.parameters.get("provider") or settings.ENGINE_PROVIDER
    classes = LabelClass.objects.filter(project=scene.project_id, is_stuff=False)
    try:
        return load_provider(name, settings.ENGINE_MODELS, [each.name for each in classes])
    except (ValueError, OSError) as error:
        raise InvalidEdit(f"the data engine has no model to find masks with: {error}") from error


def _masks(found: PreLabels, position: int) -> Iterator[FoundMask]:
    """What can be trusted of one frame."""
    for each in found_in(found.drive, found.labels, found.quality, found.things, position):
        if each.is_trusted:
            runs = encode_runs(each.mask)
            yield FoundMask(each.track, each.label_class, each.sensor, runs, each.confidence)


def _summary(writer: Writer, cleared: int) -> str:
    said = f"{len(writer.tracks)} tracks, {writer.masks} masks"
    if writer.boxed:
        said += f"; {len(writer.boxed)} tracks with boxes got masks"
    if cleared:
        said += f"; {cleared} tracks of an earlier run were replaced"
    if writer.skipped:
        said += f"; {len(writer.skipped)} were labelled already"
    return said
