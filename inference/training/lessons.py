"""One view of a frame to learn from: what goes into the model, and what should come out.

A view is one camera (or none) and a sector of the sweep (or none); see `nano.hints.Glances`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from inference.geometric.frames import PreparedFrame, merged_cloud
from inference.nano.config import SWEEP_STRIDE, NanoConfig
from inference.nano.glance import (
    PictureGlance,
    SweepGlance,
    glance_at_picture,
    glance_at_sweep,
    main_lidar,
    sector,
    sector_start,
    set_steps,
    token_means,
)
from inference.nano.hints import Glances, HintArrays, Hints, Meant, as_arrays, hints_of, meant_by
from inference.nano.refiner import CROP_CHANNELS, Window, crop_of, warped, window_of
from inference.prompts import Prompt
from inference.training.shots import IGNORED, Shot
from inference.training.simulation import (
    Mix,
    Target,
    click_in_cloud,
    click_in_picture,
    first_prompt,
    larger_error,
)

Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Random = np.random.Generator

_LEAST_PX, _LEAST_POINTS = 40, 8  # of an object at 384 x 256, and in the sweep, that count as seen
_REFINED_LEAST_PX = 60  # of the recording


@dataclass(frozen=True)
class Wear:
    """How often what a view sees is spoilt, so that the model can do without."""

    no_picture: float = 0.12
    no_sweep: float = 0.06
    no_prior: float = 0.35
    thinned: float = 0.3
    grey: float = 0.1
    blurred: float = 0.2
    mirrored: float = 0.5


@dataclass
class Question:
    """One object of a view, and what was shown of it so far.

    in_picture: whether it was first shown there.  use_prior: whether geometry may help.
    """

    number: int
    target: Target
    in_picture: bool
    use_prior: bool
    shift: int
    prompts: list[Prompt]
    meant: Meant
    hints: Hints


@dataclass
class View:
    """What one step learns from a frame; B questions."""

    shot: Shot
    glances: Glances
    questions: list[Question]
    mirrored: bool
    config: NanoConfig

    def arrays(self) -> list[HintArrays]:
        made = [
            as_arrays(self.glances, q.hints, self.config, shift=q.shift) for q in self.questions
        ]
        return [self.turned(each) for each in made] if self.mirrored else made

    def picture_gold(self) -> Float32Array:
        """[B, h/4, w/4] how much of each cell the objects cover."""
        picture = self.glances.picture
        assert picture is not None
        height, width = picture.depth_m.shape
        gold = np.stack([
            cv2.resize(q.target.picture.astype(np.float32), (width, height),  # type: ignore[union-attr]
                       interpolation=cv2.INTER_AREA)
            for q in self.questions
        ])  # fmt: skip
        return np.ascontiguousarray(gold[..., ::-1]) if self.mirrored else gold

    def sweep_gold(self, arrays: Sequence[HintArrays]) -> tuple[Float32Array, Float32Array]:
        """[B, R, window] gold of the cells in each window, and which cells have a point."""
        sweep = self.glances.sweep
        assert sweep is not None
        gold, valid = [], []
        for question, each in zip(self.questions, arrays, strict=True):
            inside = question.target.points[sweep.point] & sweep.valid
            there = self.judged(sweep)
            if self.mirrored:
                inside, there = inside[:, ::-1], there[:, ::-1]
            window = slice(each.first_column, each.first_column + self.config.window)
            gold.append(inside[:, window])
            valid.append(there[:, window])
        return np.stack(gold).astype(np.float32), np.stack(valid).astype(np.float32)

    def judged(self, sweep: SweepGlance) -> BoolArray:
        """[R, columns] the cells with a point of which it is known what it is."""
        return np.asarray(sweep.valid & (self.shot.point_ids[sweep.point] != IGNORED))

    def looked(self) -> tuple[PictureGlance | None, SweepGlance | None]:
        """What the encoders take."""
        picture, sweep = self.glances.picture, self.glances.sweep
        if not self.mirrored:
            return picture, sweep
        return picture and mirrored_picture(picture), sweep and mirrored_sweep(sweep)

    def turned(self, arrays: HintArrays) -> HintArrays:
        """The hints of a view whose left is right."""
        sweep = self.glances.sweep
        columns = 0 if sweep is None else sweep.valid.shape[1]
        share, cell = arrays.share.copy(), arrays.cell.copy()
        share[:, 0] = np.where(arrays.has_share > 0, 1 - share[:, 0], share[:, 0])
        cell[:, 1] = np.where(arrays.has_cell > 0, columns - 1 - cell[:, 1], cell[:, 1])
        maps = arrays.picture_maps, arrays.sweep_maps
        first = columns - self.config.window - arrays.first_column if sweep is not None else 0
        return replace(
            arrays,
            place=arrays.place * np.array([1, -1, 1], np.float32),
            share=share,
            cell=cell,
            first_column=first,
            picture_maps=None if maps[0] is None else maps[0][..., ::-1].copy(),
            sweep_maps=None if maps[1] is None else maps[1][..., ::-1].copy(),
        )

    def crops(
        self, logits: Float32Array, random: Random, most: int
    ) -> tuple[Float32Array, Float32Array]:
        """Of some questions: what the refiner takes, and gold, [n, 12, S, S], [n, S, S].

        logits: [B, h/4, w/4] of the first masks, as the model drew them.
        """
        picture = self.glances.picture
        assert picture is not None
        camera = picture.sensor.name
        view = self.shot.prepared.view(camera)
        crops: list[Float32Array] = []
        golds: list[Float32Array] = []
        for row in random.permutation(len(self.questions)).tolist():
            question = self.questions[row]
            assert question.target.picture is not None
            if len(crops) == most or question.target.picture.sum() < _REFINED_LEAST_PX:
                continue
            own = logits[row][:, ::-1] if self.mirrored else logits[row]
            jitter = (*(random.normal(0, 0.06, 2)), float(random.uniform(-0.15, 0.35)))
            question.hints.outline = question.meant.outline(camera) if question.use_prior else None
            window = window_of(view, question.hints, camera, own, jitter=jitter)
            if window is None:
                continue
            crop = crop_of(self.shot.prepared, camera, question.hints, own, window, self.config)
            gold = gold_in(question.target.picture, window, self.config.refined_px)
            recoloured(crop[:3], random)
            if self.mirrored:
                crop, gold = crop[..., ::-1], gold[..., ::-1]
            crops.append(crop)
            golds.append(gold)
        size = self.config.refined_px
        if not crops:
            return (
                np.zeros((0, CROP_CHANNELS, size, size), np.float32),
                np.zeros((0, size, size), np.float32),
            )
        return np.stack(crops).astype(np.float32), np.stack(golds)


def gold_in(mask: BoolArray, window: Window, size: int) -> Float32Array:
    """How much of each cell of a crop a mask covers."""
    out = warped((mask * np.uint8(255)).astype(np.uint8), window, size)
    return np.asarray(out, np.float32) / np.float32(255)


# --- drawing a view ------------------------------------------------------------------------------


def draw_view(
    shot: Shot, config: NanoConfig, random: Random, *, objects: int, mix: Mix, wear: Wear
) -> View | None:
    """None where too little is to be seen."""
    glances = draw_glances(shot, config, random, wear)
    if glances is None:
        return None
    questions = _questions(shot, glances, config, random, objects, mix, wear)
    if not questions:
        return None
    return View(replace(shot, prepared=glances.prepared), glances, questions,
                bool(random.random() < wear.mirrored), config)  # fmt: skip


def draw_glances(shot: Shot, config: NanoConfig, random: Random, wear: Wear) -> Glances | None:
    """One camera of a frame, or none, and the sweep before it, or none; spoilt now and then."""
    prepared = shot.prepared
    cameras = prepared.cameras
    modality = random.random()
    if modality < wear.no_picture and main_lidar(prepared) is not None:
        cameras = []
    elif modality < wear.no_picture + wear.no_sweep and cameras:
        prepared = without_lidar(prepared)
    if not cameras and main_lidar(prepared) is None:
        return None
    camera = cameras[int(random.integers(len(cameras)))] if cameras else None
    glances = glances_at(prepared, camera, config, random)
    picture, sweep = glances.picture, glances.sweep
    if sweep is not None and random.random() < wear.thinned:
        sweep = thinned(sweep, random)
    if picture is not None:
        picture = replace(picture, picture=_worn_picture(picture.picture, random, wear))
    return Glances(prepared, picture, sweep)


def glances_at(
    prepared: PreparedFrame, camera: str | None, config: NanoConfig, random: Random
) -> Glances:
    """A camera and the sector before it; without a camera, any sector, its colours unknown."""
    picture = None if camera is None else glance_at_picture(prepared, camera, config)
    # Points take their colours from all cameras, as they do when the model is used.
    pictures = {} if picture is None else {
        name: picture if name == camera else glance_at_picture(prepared, name, config)
        for name in prepared.cameras
    }  # fmt: skip
    whole = glance_at_sweep(prepared, pictures, config)
    if whole is None:
        return Glances(prepared, picture, None)
    return Glances(
        prepared, picture, sector(whole, _first_column(picture, config, random), config.sector)
    )


def without_lidar(prepared: PreparedFrame) -> PreparedFrame:
    """The frame of a vehicle that has cameras only."""
    cameras = prepared.scene.cameras
    scene = replace(prepared.scene, sensors=cameras)
    return PreparedFrame(scene, prepared.frame, merged_cloud(scene, prepared.frame))


def _first_column(picture: PictureGlance | None, config: NanoConfig, random: Random) -> int:
    """A sector round where the camera looks, or anywhere."""
    if picture is None:
        azimuth = random.uniform(-np.pi, np.pi)
    else:
        forward = picture.camera_from_ego[2, :3]
        azimuth = float(np.arctan2(forward[1], forward[0])) + random.normal(0, 0.15)
    return sector_start(azimuth, config)


def _questions(
    shot: Shot, glances: Glances, config: NanoConfig, random: Random, objects: int, mix: Mix,
    wear: Wear,
) -> list[Question]:  # fmt: skip
    picture, sweep = glances.picture, glances.sweep
    count = 1 + max(shot.gold, default=0)
    pixels = np.zeros(count, float)
    ids = None
    if picture is not None:
        ids = shot.ids[picture.sensor.name]
        pixels = np.bincount(ids.ravel(), minlength=count) * (384 * 256 / ids.size)
    points = np.zeros(count, int)
    if sweep is not None:
        shown = shot.point_ids[sweep.point[sweep.valid]]
        points = np.bincount(shown[shown != IGNORED], minlength=count)
    unknown = np.zeros(count, bool)
    if picture is not None:
        unknown = (pixels == 0) & (
            _points_in_view(shot, picture.sensor.name, count) >= _LEAST_POINTS
        )
    numbers = [
        n for n in shot.gold
        if (pixels[n] >= _LEAST_PX or points[n] >= _LEAST_POINTS) and not unknown[n]
    ]  # fmt: skip
    if not numbers:
        return []
    both = picture is not None and sweep is not None
    seen_by_both = (pixels >= _LEAST_PX) & (points >= _LEAST_POINTS)
    weights = np.array([
        object_weight(shot, n) * (1 if seen_by_both[n] or not both else 0.45) for n in numbers
    ])  # fmt: skip
    drawn = random.choice(numbers, size=objects, p=weights / weights.sum())
    questions = []
    for number in drawn.tolist():
        target = Target(
            None if ids is None else ids == number,
            shot.point_ids == number if sweep is not None else np.zeros(0, bool),
            None if picture is None else picture.sensor.name,
            main_lidar(glances.prepared),
        )
        in_picture = pixels[number] >= _LEAST_PX
        if in_picture and points[number] >= _LEAST_POINTS:
            in_picture = random.random() < 0.5
        use_prior = bool(random.random() >= wear.no_prior)
        seen = target.points
        if sweep is not None and not in_picture:
            # Only points of this sector are clicked.
            seen = np.zeros(len(target.points), bool)
            index = sweep.point[sweep.valid]
            seen[index] = target.points[index]
        prompts = first_prompt(
            replace(target, points=seen), glances.prepared.cloud.points, in_picture, mix, random,
            glances.prepared.cloud.part_of,
        )  # fmt: skip
        meant, hints = _hints(glances, prompts, use_prior=use_prior)
        shift = int(random.integers(-32, 33))
        questions.append(
            Question(number, target, in_picture, use_prior, shift, prompts, meant, hints)
        )
    return questions


def _points_in_view(shot: Shot, camera: str, count: int) -> npt.NDArray[np.int64]:
    """[count] how many points of each object the camera sees. Where it has none of an object's pixels all the same, an
    engine doubted its own mask and left it out: what is not labelled there is unknown, not absent.
    """
    view = shot.prepared.view(camera)
    seen = shot.point_ids[view.point[view.is_real]]
    return np.bincount(seen[seen != IGNORED], minlength=count)[:count]


def object_weight(shot: Shot, number: int) -> float:
    """How much more often than others an object is asked for."""
    gold = shot.gold[number]
    if gold.label_class in ("car", "truck", "bus", "pedestrian", "cyclist", "pole"):
        return 1.3
    return 0.25 if gold.is_stuff else 1.0


def _hints(glances: Glances, prompts: Sequence[Prompt], *, use_prior: bool) -> tuple[Meant, Hints]:
    meant = meant_by(glances.prepared, prompts)
    hints = hints_of(glances, prompts, meant)
    if not use_prior:
        hints.target = None
    return meant, hints


# --- corrections ---------------------------------------------------------------------------------


def correct(
    view: View,
    picture_logits: Float32Array | None,
    sweep_logits: Float32Array | None,
    arrays: Sequence[HintArrays],
    mix: Mix,
    random: Random,
) -> None:
    """One more click on every question, where the answer is wrong; the answer goes with it."""
    glances = view.glances
    for row, question in enumerate(view.questions):
        picture_before = sweep_before = None
        if picture_logits is not None:
            own = picture_logits[row]
            picture_before = own[:, ::-1] if view.mirrored else own
        if sweep_logits is not None and glances.sweep is not None:
            sweep_before = _on_sector(view, sweep_logits[row], arrays[row].first_column)
        in_picture = question.in_picture
        if random.random() < mix.other_modality:
            in_picture = not in_picture
        click = _error_click(view, question, picture_before, sweep_before, in_picture, mix, random)
        if click is not None:
            question.prompts = [*question.prompts, click]
            question.meant, question.hints = _hints(
                glances, question.prompts, use_prior=question.use_prior
            )
        question.hints.picture_before = picture_before
        question.hints.sweep_before = sweep_before


def _on_sector(view: View, logits: Float32Array, first_column: int) -> Float32Array:
    """A window's logits [R, window] on all columns of the sector; far below 0 elsewhere."""
    assert view.glances.sweep is not None
    rows, columns = view.glances.sweep.valid.shape
    whole = np.full((rows, columns), -8, np.float32)
    whole[:, first_column : first_column + logits.shape[1]] = logits[:rows]
    return np.ascontiguousarray(whole[:, ::-1]) if view.mirrored else whole


def _error_click(
    view: View,
    question: Question,
    picture_before: Float32Array | None,
    sweep_before: Float32Array | None,
    in_picture: bool,
    mix: Mix,
    random: Random,
) -> Prompt | None:
    target, glances = question.target, view.glances
    central = random.random() < mix.central
    if in_picture and picture_before is not None and target.picture is not None:
        size = target.picture.shape
        drawn = cv2.resize(picture_before, size[::-1], interpolation=cv2.INTER_LINEAR) > 0
        error = larger_error(target.picture, drawn)
        if error is None or error[0].sum() < 4:
            return None
        assert target.camera is not None
        return click_in_picture(error[0], target.camera, random, central=central, positive=error[1])
    if not in_picture and sweep_before is not None and glances.sweep is not None:
        sweep = glances.sweep
        truth = target.points[sweep.point] & sweep.valid
        error = larger_error(truth, (sweep_before > 0) & view.judged(sweep))
        if error is None:
            return None
        region = np.zeros(len(target.points), bool)
        region[sweep.point[error[0]]] = True
        cloud = glances.prepared.cloud
        return click_in_cloud(region, cloud.points, cloud.part_of, random, central=central,
                              positive=error[1])  # fmt: skip
    return None


# --- wear ----------------------------------------------------------------------------------------


def thinned(sweep: SweepGlance, random: Random) -> SweepGlance:
    """A share of the points is lost."""
    kept = sweep.valid & (random.random(sweep.valid.shape) > random.uniform(0, 0.4))
    xyz = np.where(kept[..., None], sweep.xyz, 0).astype(np.float32)
    token_xyz, known = token_means(xyz, kept)
    channels = _with_steps(sweep.channels * kept, kept)
    return replace(
        sweep, channels=channels, xyz=xyz, valid=kept, point=np.where(kept, sweep.point, -1),
        token_xyz=token_xyz, token_known=known,
    )  # fmt: skip


def _with_steps(channels: Float32Array, valid: BoolArray) -> Float32Array:
    """The channels of steps to neighbours, made again."""
    set_steps(channels, channels[1] * 50, valid)
    return channels


def _worn_picture(
    picture: npt.NDArray[np.uint8], random: Random, wear: Wear
) -> npt.NDArray[np.uint8]:
    if random.random() < wear.blurred:
        picture = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.4, 1.2)).astype(np.uint8)
    shifted = picture.astype(np.float32) * random.uniform(0.88, 1.12, 3).astype(np.float32)
    middle = shifted.mean()
    shifted = (shifted - middle) * random.uniform(0.7, 1.3) + middle * random.uniform(0.7, 1.3)
    if random.random() < wear.grey:
        shifted = np.repeat(shifted.mean(axis=2, keepdims=True), 3, axis=2)
    return np.asarray(np.clip(shifted, 0, 255), np.uint8)


def recoloured(colours: Float32Array, random: Random) -> None:
    """In place, [3, S, S], normalised: in another light."""
    gains = random.uniform(0.85, 1.15, (3, 1, 1)) * random.uniform(0.75, 1.25)
    colours *= gains.astype(np.float32)
    colours += np.float32(random.normal(0, 0.2))


# --- mirrors -------------------------------------------------------------------------------------


def mirrored_picture(glance: PictureGlance) -> PictureGlance:
    height, width = (size // 4 for size in glance.depth_m.shape)
    xyz = glance.token_xyz.reshape(height, width, 3)[:, ::-1] * np.array([1, -1, 1], np.float32)
    return replace(
        glance,
        picture=glance.picture[:, ::-1],
        depth_m=glance.depth_m[:, ::-1],
        near=glance.near[:, ::-1],
        point=glance.point[:, ::-1],
        token_xyz=xyz.reshape(-1, 3),
        token_known=glance.token_known.reshape(height, width)[:, ::-1].ravel(),
    )


def mirrored_sweep(glance: SweepGlance) -> SweepGlance:
    rows = len(glance.valid) // SWEEP_STRIDE[0]
    turn = np.array([1, -1, 1], np.float32)
    valid = glance.valid[:, ::-1]
    return replace(
        glance,
        channels=_with_steps(glance.channels[..., ::-1].copy(), valid),
        xyz=glance.xyz[:, ::-1] * turn,
        valid=valid,
        point=glance.point[:, ::-1],
        token_xyz=(glance.token_xyz.reshape(rows, -1, 3)[:, ::-1] * turn).reshape(-1, 3),
        token_known=glance.token_known.reshape(rows, -1)[:, ::-1].ravel(),
    )
