"""The `Predictor` face over the small model and geometry together (see `inference.predictor`).

Geometry says which points are meant and where they go; the model takes that as a hint, decides, and
draws. A click is answered in every camera that may see the object: each camera is decoded
with the sweep's sector before it, and the camera that was clicked in, or sees most, speaks for the sweep.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import torch

from inference.geometric.frames import OpenScene as GeometricScene
from inference.geometric.frames import PreparedFrame
from inference.geometric.outline import outlined
from inference.geometric.propagation import Step, steps
from inference.geometry import FloatArray, distances, inverse
from inference.nano.config import SWEEP_STRIDE, NanoConfig
from inference.nano.decoder import Decoded, Seen, SweepSeen, asked_of
from inference.nano.glance import (
    PictureGlance,
    SweepGlance,
    glance_at_picture,
    glance_at_sweep,
    sector,
    sector_start,
    shares_of_points,
)
from inference.nano.hints import Glances, Hints, Kind, as_arrays, guessed, hints_of, meant_by
from inference.nano.memory import (
    LATEST,
    SHOWN,
    Chosen,
    Recall,
    as_it_stands,
    chosen_in_picture,
    chosen_in_sweep,
)
from inference.nano.model import Nano, looked_of
from inference.nano.refiner import crop_of, pasted, window_of
from inference.nano.tensors import on
from inference.nano.weights import load
from inference.prompts import (
    BoxPrompt,
    FramePrediction,
    Known,
    MaskPrediction,
    MaskPrompt,
    PointPrompt,
    Prompt,
)
from inference.sam4d.runtime import Runtime, best_runtime
from inference.scene import Scene

BoolArray = npt.NDArray[np.bool_]
Float32Array = npt.NDArray[np.float32]
Int32Array = npt.NDArray[np.int32]

_KEPT_FRAMES, _KEPT_ANSWERS = 8, 64
_OUTSIDE = -8.0  # the logit of what a decoder did not look at
_SAME_SURFACE_M = 0.3
_LEAST_WEIGHT = 0.02
_SHOWN = 0.02  # of an object's points that a camera must see to be asked


@dataclass(frozen=True)
class Pair:
    """A camera (or none) with the sector of the sweep before it (or none), as the model sees them."""

    glances: Glances
    picture: Seen | None
    sweep: SweepSeen | None


@dataclass
class FrameSeen:
    """undecided: [N] the points that no cell of the range view speaks for.  pairs: by camera, or by a
    column for a sector without one; made when they are asked for.
    """

    prepared: PreparedFrame
    pictures: dict[str, PictureGlance]
    sweep: SweepGlance | None
    sweep_features: SweepSeen | None
    undecided: BoolArray
    pairs: dict[str | int, Pair] = field(default_factory=dict)


@dataclass(frozen=True)
class Remembered:
    """One frame of a track, kept: what was chosen of each of its readings, with encoded tokens [N, W]."""

    world_from_ego: FloatArray
    chosen: Sequence[Chosen]
    tokens: torch.Tensor
    age: int


Logits = Mapping[str, Float32Array]  # camera -> [h/4, w/4]; SWEEP -> [R, columns]
SWEEP = "<sweep>"


@dataclass
class OpenScene:
    """said: answers to prompts in a frame, to go on from when one is added."""

    geometric: GeometricScene
    frames: OrderedDict[int, FrameSeen] = field(default_factory=OrderedDict)
    said: OrderedDict[tuple[int, bytes], Logits] = field(default_factory=OrderedDict)


def load_nano(path: Path) -> NanoPredictor:
    """Raises WrongWeights (a ValueError), or OSError."""
    with path.open("rb") as opened:
        version = file_digest(opened, "sha256").hexdigest()[:12]
    return NanoPredictor(load(path), version=version)


class NanoPredictor:
    name = "nano"

    def __init__(
        self,
        model: Nano,
        *,
        version: str,
        runtime: Runtime | None = None,
        use_geometry: bool = True,
        refine: bool = True,
    ) -> None:
        """use_geometry: whether geometry's choice of points goes in as a hint.  refine: whether masks
        in pictures are drawn again close up. Both are for measuring.
        """
        self.runtime = runtime or best_runtime()
        self.model = model.eval().requires_grad_(False).to(self.runtime.device)
        self.model = self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.version = version
        self.use_geometry, self.refine = use_geometry, refine

    @property
    def config(self) -> NanoConfig:
        return self.model.config

    def open(self, scene: Scene) -> OpenScene:
        return OpenScene(GeometricScene(scene))

    def close(self, opened: OpenScene) -> None:
        opened.geometric.forget()
        opened.frames.clear()
        opened.said.clear()

    def remove_track(self, opened: OpenScene, track: int) -> None:
        """Nothing is kept of tracks."""

    # --- prompts ---------------------------------------------------------------------------------

    def add_prompt(
        self,
        opened: OpenScene,
        *,
        frame: int,
        prompts: Sequence[Prompt],
        track: int | None = None,
    ) -> list[MaskPrediction]:
        seen = self.seen(opened, frame)
        meant = meant_by(seen.prepared, prompts)
        before = opened.said.get((frame, _digest(prompts[:-1])), {})
        named = [p.sensor for p in prompts if p.sensor in seen.pictures]
        asked: list[tuple[str | None, Pair, Hints]] = []
        for camera in self._cameras(seen, meant.target, prompts, named):
            pair = self.pair(seen, camera, meant.target, prompts)
            hints = hints_of(pair.glances, prompts, meant)
            if not self.use_geometry:
                hints.target = None
            elif camera is not None and self.refine:
                hints.outline = meant.outline(camera)
            _add_before(hints, pair.glances, before, camera)
            asked.append((camera, pair, hints))
        answers, logits = self._answered(seen, asked)
        opened.said[frame, _digest(prompts)] = logits
        while len(opened.said) > _KEPT_ANSWERS:
            opened.said.popitem(last=False)
        return _as_drawn(answers, prompts)

    def _cameras(
        self, seen: FrameSeen, target: BoolArray, prompts: Sequence[Prompt], named: Sequence[str]
    ) -> list[str | None]:
        """Those that were prompted in, then those that may see the object, the best view first;
        None where no camera does."""
        places = seen.prepared.cloud.points[target]
        if not len(places):
            clicked = [
                p.position for p in prompts if isinstance(p, PointPrompt) and len(p.position) == 3
            ]
            places = np.array(clicked, np.float32).reshape(-1, 3)
        shown = {
            camera: float(shares_of_points(glance, places)[1].mean()) if len(places) else 0.0
            for camera, glance in seen.pictures.items()
        }
        others = sorted(
            (c for c in shown if shown[c] > _SHOWN and c not in named), key=lambda c: -shown[c]
        )
        return [*dict.fromkeys(named), *others] or [None]

    # --- through time ----------------------------------------------------------------------------

    def propagate(
        self, opened: OpenScene, *, known: Mapping[int, Known], frames: Sequence[int]
    ) -> Iterator[FramePrediction]:
        walks = {track: steps(opened.geometric, masks, frames) for track, masks in known.items()}
        # Of each track: the answer before this one; and what people said, encoded once.
        latest: dict[int, tuple[int, Mapping[str, BoolArray]]] = {}
        shown: dict[tuple[int, int], Remembered | None] = {}
        for frame in frames:
            answers: dict[int, list[MaskPrediction]] = {}
            for track, walk in walks.items():
                step = next(walk)
                remembered: list[Remembered | None] = []
                if self.config.remembers and step.target is not None and step.target.any():
                    near = min(known[track], key=lambda at: (abs(at - frame), at))
                    if (track, near) not in shown:
                        shown[track, near] = self._remembered(
                            opened, near, known[track][near], SHOWN
                        )
                    remembered.append(shown[track, near])
                    if track in latest:
                        remembered.append(self._remembered(opened, *latest[track], LATEST))
                answers[track] = self._followed(opened, frame, step, remembered)
                latest.pop(track, None)
                if step.target is not None:
                    latest[track] = frame, {a.sensor: a.mask for a in answers[track]}
            yield FramePrediction(frame, answers)

    def _followed(
        self, opened: OpenScene, frame: int, step: Step, remembered: Sequence[Remembered | None]
    ) -> list[MaskPrediction]:
        if step.known is not None:
            return [MaskPrediction(name, mask, 1.0) for name, mask in step.known.items()]
        if step.carried is not None:
            return list(step.carried)
        assert step.target is not None
        if not step.target.any():
            return []
        seen = self.seen(opened, frame)
        kind = Kind.GUESS if self.config.remembers else Kind.MIDDLE
        asked: list[tuple[str | None, Pair, Hints]] = []
        for camera in self._cameras(seen, step.target, [], []):
            pair = self.pair(seen, camera, step.target, [])
            hints = guessed(pair.glances, step.target, kind)
            if camera is not None and self.refine:
                hints.outline = outlined(seen.prepared, camera, step.target, [], [])
            asked.append((camera, pair, hints))
        there = [each for each in remembered if each is not None]
        recall = None
        if there:
            recall = self._recall(there, seen, asked[0][2].points[0].place, len(asked))
        answers, _ = self._answered(seen, asked, recall)
        if self.config.remembers:
            return answers
        # Without memory the model does not know whom it follows: which points are the object's is
        # geometry's word, the model draws it in pictures.
        followed = seen.prepared.cloud.split(step.target)
        return [
            *(answer for answer in answers if answer.sensor not in seen.prepared.cloud.part_of),
            *(MaskPrediction(lidar, mask, step.fit) for lidar, mask in followed.items()),
        ]

    def _remembered(
        self, opened: OpenScene, frame: int, masks: Mapping[str, BoolArray], age: int
    ) -> Remembered | None:
        """masks: by sensor, flat. None where the object is in none of them."""
        assert self.model.memory_encoder is not None
        seen = self.seen(opened, frame)
        parts: list[tuple[Chosen, torch.Tensor]] = []
        for camera in seen.pictures.keys() & masks.keys():
            pair = self.pair(seen, camera, np.zeros(len(seen.prepared.cloud), bool), [])
            assert pair.picture is not None
            view = seen.prepared.view(camera)
            drawn = masks[camera].reshape(view.height_px, view.width_px)
            chosen = chosen_in_picture(seen.pictures[camera], drawn, pair.picture.shape)
            if chosen is not None:
                parts.append((chosen, pair.picture.plain[0]))
        if seen.sweep is not None and seen.sweep_features is not None:
            inside = seen.prepared.cloud.gathered(masks)
            chosen = chosen_in_sweep(seen.sweep, inside)
            if chosen is not None:
                parts.append((chosen, seen.sweep_features.plain[0]))
        if not parts:
            return None
        device = self.runtime.device
        with self.runtime():
            tokens = torch.cat([
                self.model.memory_encoder(
                    plain[torch.from_numpy(chosen.index).to(device)],
                    torch.from_numpy(chosen.share).to(device),
                )
                for chosen, plain in parts
            ])  # fmt: skip
        pose = seen.prepared.frame.world_from_ego
        return Remembered(pose, [chosen for chosen, _ in parts], tokens, age)

    def _recall(
        self, remembered: Sequence[Remembered], seen: FrameSeen, middle: Float32Array, count: int
    ) -> Recall:
        """The same for each of `count` cameras.  middle: [3] where motion puts the object, in ego."""
        ego_from_world = inverse(seen.prepared.frame.world_from_ego)
        xyz, known, age = [], [], []
        for each in remembered:
            now_from_then = ego_from_world @ each.world_from_ego
            xyz += [
                as_it_stands(chosen, now_from_then, middle, self.config) for chosen in each.chosen
            ]
            known += [chosen.known for chosen in each.chosen]
            age += [each.age] * len(each.tokens)
        device = self.runtime.device

        def batch(x: torch.Tensor) -> torch.Tensor:
            return x.to(device)[None].expand(count, *x.shape)

        return Recall(
            batch(torch.cat([each.tokens for each in remembered])),
            batch(torch.from_numpy(np.concatenate(xyz))),
            batch(torch.from_numpy(np.concatenate(known))),
            batch(torch.tensor(age)),
        )

    # --- seeing ----------------------------------------------------------------------------------

    def look(self, opened: OpenScene, frame: int) -> None:
        """Make what clicks in a frame need, in all cameras, before anybody asks."""
        seen = self.seen(opened, frame)
        nowhere = np.zeros(len(seen.prepared.cloud), bool)
        for camera in seen.pictures:
            self.pair(seen, camera, nowhere, [])

    def seen(self, opened: OpenScene, frame: int) -> FrameSeen:
        if frame in opened.frames:
            opened.frames.move_to_end(frame)
            return opened.frames[frame]
        prepared = opened.geometric.prepared(frame)
        pictures = {
            camera: glance_at_picture(prepared, camera, self.config) for camera in prepared.cameras
        }
        sweep = glance_at_sweep(prepared, pictures, self.config)
        features = None
        if sweep is not None:
            with self.runtime():
                features = self.model.see_sweeps(on(self.runtime.device, looked_of(None, [sweep])))
        while len(opened.frames) >= _KEPT_FRAMES:
            opened.frames.popitem(last=False)
        undecided = np.zeros(len(prepared.cloud), bool)
        if sweep is not None:
            undecided = _undecided(sweep, prepared.cloud.points)
        opened.frames[frame] = FrameSeen(prepared, pictures, sweep, features, undecided)
        return opened.frames[frame]

    def pair(
        self, seen: FrameSeen, camera: str | None, target: BoolArray, prompts: Sequence[Prompt]
    ) -> Pair:
        glance = None if camera is None else seen.pictures[camera]
        first = self._first_column(seen, glance, target, prompts)
        key = first if camera is None else camera
        if key not in seen.pairs:
            with self.runtime():
                picture = None
                if glance is not None:
                    picture = self.model.see_pictures(
                        on(self.runtime.device, looked_of([glance], None))
                    )
                part, cut = None, None
                if seen.sweep is not None and seen.sweep_features is not None:
                    part = sector(seen.sweep, first, self.config.sector)
                    cut = _cut(seen.sweep_features, first, self.config.sector)
                picture, cut = self.model.fused(picture, cut)
            seen.pairs[key] = Pair(Glances(seen.prepared, glance, part), picture, cut)
        return seen.pairs[key]

    def _first_column(
        self, seen: FrameSeen, glance: PictureGlance | None, target: BoolArray,
        prompts: Sequence[Prompt],
    ) -> int:  # fmt: skip
        """Of the sector: before the camera, or round what is meant."""
        if glance is not None:
            forward = glance.camera_from_ego[2, :3]
        elif target.any():
            forward = np.median(seen.prepared.cloud.points[target], axis=0)
        else:
            clicked = [p.position for p in prompts if isinstance(p, PointPrompt)]
            forward = np.array(clicked[0] if clicked else (1.0, 0.0, 0.0))
        return sector_start(float(np.arctan2(forward[1], forward[0])), self.config)

    # --- answering -------------------------------------------------------------------------------

    def _answered(
        self, seen: FrameSeen, asked: Sequence[tuple[str | None, Pair, Hints]],
        recall: Recall | None = None,
    ) -> tuple[list[MaskPrediction], Logits]:  # fmt: skip
        """asked: the first one speaks for the sweep.  recall: what is remembered, for each of them."""
        arrays = [as_arrays(pair.glances, hints, self.config) for _, pair, hints in asked]
        with self.runtime():
            picture = _together([pair.picture for _, pair, _ in asked])
            sweep = _together([pair.sweep for _, pair, _ in asked])
            in_picture, in_sweep = self.model.decode(
                on(self.runtime.device, asked_of(arrays, list(range(len(asked))))),
                picture,
                sweep,
                recall,
            )
        found: list[MaskPrediction] = []
        logits: dict[str, Float32Array] = {}
        if in_sweep is not None:
            _, pair, hints = asked[0]
            masks, whole = self._in_sweep(seen, pair, hints, in_sweep, arrays[0].first_column)
            logits[SWEEP] = whole
            found += masks
        if in_picture is not None:
            drawn = in_picture.logits.float().cpu().numpy()
            for row, (camera, _, hints) in enumerate(asked):
                assert camera is not None
                logits[camera] = drawn[row]
                found += self._in_picture(seen, camera, hints, in_picture, row, drawn[row])
        return found, logits

    def _in_sweep(
        self, seen: FrameSeen, pair: Pair, hints: Hints, decoded: Decoded, first: int
    ) -> tuple[list[MaskPrediction], Float32Array]:
        sweep = pair.glances.sweep
        assert sweep is not None
        assert seen.sweep is not None
        whole = np.full(seen.sweep.valid.shape, _OUTSIDE, np.float32)
        columns = (sweep.first + first + np.arange(self.config.window)) % self.config.columns
        whole[:, columns] = decoded.logits[0].float().cpu().numpy()[: len(whole)]
        inside = _on_points(seen.sweep, whole, seen.prepared.cloud.points) > 0
        if hints.target is not None:
            inside[seen.undecided] = hints.target[seen.undecided]  # geometry's word
        iou = float(torch.sigmoid(decoded.iou[0]))
        score = float(torch.sigmoid(decoded.seen[0]))
        if score <= 0.5 and not _was_shown(hints, in_cloud=True):
            return [], whole
        parts = seen.prepared.cloud.split(inside)
        return [MaskPrediction(lidar, mask, iou, score) for lidar, mask in parts.items()], whole

    def _in_picture(
        self, seen: FrameSeen, camera: str, hints: Hints, decoded: Decoded, row: int,
        logits: Float32Array,
    ) -> list[MaskPrediction]:  # fmt: skip
        score = float(torch.sigmoid(decoded.seen[row]))
        iou = float(torch.sigmoid(decoded.iou[row]))
        if score <= 0.5 and not _was_shown(hints, in_cloud=False):
            return []
        view = seen.prepared.view(camera)
        shape = (view.height_px, view.width_px)
        window = window_of(view, hints, camera, logits) if self.refine else None
        if window is None:
            whole = cv2.resize(logits, shape[::-1], interpolation=cv2.INTER_LINEAR)
        else:
            crop = crop_of(seen.prepared, camera, hints, logits, window, self.config)
            with self.runtime():
                refined, sure, of_outline = self.model.refiner(
                    torch.from_numpy(crop)[None].to(self.runtime.device)
                )
            iou = float(torch.sigmoid(sure[0]))
            if hints.outline is not None and hints.outline.any() and of_outline[0] > sure[0]:
                # It has the recording's own resolution, which a crop of a near bus has not.
                iou = float(torch.sigmoid(of_outline[0]))
                return [MaskPrediction(camera, hints.outline.ravel(), iou, score)]
            whole = pasted(refined[0].float().cpu().numpy(), window, shape)
        mask = (whole > 0).ravel()
        return [MaskPrediction(camera, mask, iou, score)] if mask.any() else []


def _was_shown(hints: Hints, *, in_cloud: bool) -> bool:
    """Whether a person showed the object in this reading: then it is there, whatever the model thinks."""
    return any(
        hint.in_cloud is in_cloud
        and hint.kind in (Kind.POSITIVE, Kind.LOW_CORNER)
        and (in_cloud or hint.share is not None)
        for hint in hints.points
    )


def _add_before(hints: Hints, glances: Glances, before: Logits, camera: str | None) -> None:
    if camera is not None and camera in before:
        hints.picture_before = before[camera]
    sweep = glances.sweep
    if sweep is not None and SWEEP in before:
        whole = before[SWEEP]
        columns = (sweep.first + np.arange(sweep.valid.shape[1])) % whole.shape[1]
        hints.sweep_before = whole[:, columns]


def _cut(seen: SweepSeen, first: int, count: int) -> SweepSeen:
    """A sector of what was seen of the whole turn."""
    rows, tokens_wide = seen.shape
    wide = SWEEP_STRIDE[1]

    def columns(stride: int) -> torch.Tensor:
        return (first // stride + torch.arange(count // stride)) % (tokens_wide * wide // stride)

    def tokens(x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(1, (rows, tokens_wide))[:, :, columns(wide)].flatten(1, 2)

    return replace(
        seen,
        fine=seen.fine[..., columns(1)],
        middle=seen.middle[..., columns(4)],
        tokens=tokens(seen.tokens),
        plain=tokens(seen.plain),
        places=tokens(seen.places),
        xyz=tokens(seen.xyz),
        known=tokens(seen.known),
        shape=(rows, count // wide),
        cells_xyz=seen.cells_xyz[:, :, columns(1)],
    )


S = TypeVar("S", bound=Seen)


def _together(seen: Sequence[S | None]) -> S | None:
    """Several frames' features as one batch."""
    first = seen[0]
    if first is None or len(seen) == 1:
        return first
    names = [each.name for each in fields(first) if each.name != "shape"]
    joined: dict[str, Any] = {n: torch.cat([getattr(each, n) for each in seen]) for n in names}
    return replace(first, **joined)


def _on_points(sweep: SweepGlance, logits: Float32Array, points: Float32Array) -> Float32Array:
    """Of cells [R, columns] -> of the cloud's points [N]: a point takes after the cells beside it
    whose points lie where it lies itself. The `_undecided` ones are outside.
    """
    columns = logits.shape[1]
    out = np.full(len(sweep.cell_of), _OUTSIDE, np.float32)
    index = np.flatnonzero(sweep.cell_of >= 0)
    row, column = np.divmod(sweep.cell_of[index], columns)
    # Most points are far from the object: only those beside something drawn are worked out.
    near = np.maximum(logits, np.maximum(np.roll(logits, 1, 1), np.roll(logits, -1, 1))) > 0
    chosen = near[row, column]
    index = index[chosen]
    total, weights = np.zeros(len(index), np.float32), np.full(len(index), 1e-6, np.float32)
    for row, column, weight in _beside(sweep, points, index):
        total += weight * logits[row, column]
        weights += weight
    out[index] = np.where(weights < _LEAST_WEIGHT, _OUTSIDE, total / weights)
    return out


def _undecided(sweep: SweepGlance, points: Float32Array) -> BoolArray:
    """[N]: other LiDARs' points, and those far behind what their cells show, as second returns are,
    or one of two points of a cell on a surface that is looked along.
    """
    out = np.ones(len(sweep.cell_of), bool)
    index = np.flatnonzero(sweep.cell_of >= 0)
    out[index] = sum(weight for *_, weight in _beside(sweep, points, index)) < _LEAST_WEIGHT
    return out


def _beside(
    sweep: SweepGlance, points: Float32Array, index: npt.NDArray[np.int64]
) -> Iterator[tuple[Int32Array, Int32Array, Float32Array]]:
    """Rows and columns of the cells of some points, then of those beside them, and how much each counts."""
    columns = sweep.valid.shape[1]
    row, column = np.divmod(sweep.cell_of[index], columns)
    for shift, share in ((0, 1.0), (-1, 0.4), (1, 0.4)):
        beside = (column + shift) % columns
        away = distances(sweep.xyz[row, beside], points[index])
        weight = share * np.exp(-((away / _SAME_SURFACE_M) ** 2)) * sweep.valid[row, beside]
        yield row, beside, weight.astype(np.float32)


def _as_drawn(answers: list[MaskPrediction], prompts: Sequence[Prompt]) -> list[MaskPrediction]:
    """A mask that a person drew, and did not click on since, stands as it is."""
    drawn = {p.sensor: p.mask.ravel() for p in prompts if isinstance(p, MaskPrompt)}
    clicked = {p.sensor for p in prompts if not isinstance(p, MaskPrompt)}
    stands = {sensor: mask for sensor, mask in drawn.items() if sensor not in clicked}
    kept = [answer for answer in answers if answer.sensor not in stands]
    return [*(MaskPrediction(sensor, mask, 1.0) for sensor, mask in stands.items()), *kept]


def _digest(prompts: Sequence[Prompt]) -> bytes:
    digest = blake2b(digest_size=16)
    for prompt in prompts:
        match prompt:
            case MaskPrompt():
                digest.update(prompt.sensor.encode() + np.packbits(prompt.mask).tobytes())
            case PointPrompt() | BoxPrompt():
                digest.update(repr(prompt).encode() + b"\0")
    return digest.digest()
