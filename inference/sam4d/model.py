"""One frame in; masks and memory out.

B tracks, h x w tokens of a picture, n voxels, N points. A frame is seen once (`look_at_*`); each
track is then answered from what was seen, its prompts, and what the model remembers of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.sam4d.config import LidarEncoderConfig, Sam4dConfig
from inference.sam4d.image_encoder import ImageEncoder
from inference.sam4d.layers import Perceptron
from inference.sam4d.lidar_encoder import (
    Interpolation,
    LidarEncoder,
    SparseConv,
    Voxelised,
    interpolation,
    interpolation_like_release,
    voxelise,
    voxelise_like_release,
)
from inference.sam4d.mask_decoder import Candidates, MaskDecoder
from inference.sam4d.memory import (
    MASK_SCALE,
    MASK_SHIFT,
    ImageMemoryEncoder,
    LidarMemoryEncoder,
    MemoryAttention,
    MotionEncoder,
    sine_of_times,
)
from inference.sam4d.position_encoding import (
    CHANNELS,
    PositionEncoding,
    Rays,
    pixel_centres,
    pixel_rays,
)
from inference.sam4d.prompt_encoder import PADDING, ImagePrompts, LidarPrompts, exchange
from inference.sam4d.sparse import KernelMap, Voxels

STRIDE = 16
SWEEP = "sweep"  # the name of the merged sweep beside those of the cameras
ABSENT = -1024.0  # logits of a mask whose object is not there
STABLE_BY, STABLE_FROM = 0.05, 0.98  # a mask is stable when moving its threshold changes < 2 %


@dataclass(frozen=True)
class Camera:
    """A pinhole camera as the model sees it.

    lens: [4, 4], K padded by the identity.  sweep_from_camera: [4, 4].  image_from_model: [4, 4],
    from the model's square picture to the recording's pixels.
    """

    lens: Tensor
    sweep_from_camera: Tensor
    image_from_model: Tensor

    def rays(self, pixels: Tensor) -> Rays:
        """pixels: [..., 2] of the model's square picture."""
        return pixel_rays(pixels, self.image_from_model, self.lens, self.sweep_from_camera)


@dataclass(frozen=True)
class Features:
    """What an encoder makes of a reading, at strides 16, 8 and 4, ready for the decoder.

    Of pictures: [B, 256, h, w], [B, 64, 2h, 2w], [B, 32, 4h, 4w].  Of a sweep: [n16, 256],
    [n8, 64], [n4, 32].
    """

    at16: Tensor
    fine8: Tensor
    fine4: Tensor


@dataclass(frozen=True)
class SweepCells:
    """A sweep cut into voxels.  points: [N, 3].  levels, maps: see SweepSight."""

    points: Tensor
    voxelised: Voxelised
    levels: tuple[Voxels, ...]
    maps: tuple[KernelMap, ...]


@dataclass(frozen=True)
class PictureSight:
    """at16: [256, h, w].  fine8, fine4: [1, 64, 2h, 2w], [1, 32, 4h, 4w].  places: [h, w, 256]."""

    camera: Camera
    at16: Tensor
    fine8: Tensor
    fine4: Tensor
    rays: Rays
    places: Tensor


@dataclass(frozen=True)
class SweepSight:
    """at16: [n16, 256].  fine8, fine4: [n8, 64], [n4, 32].  centres: [n16, 3], the mean of each
    voxel's points.  places: [n16, 256].  levels, maps: strides 1, 2, 4, 8, 16 and between them.
    """

    voxelised: Voxelised
    levels: tuple[Voxels, ...]
    maps: tuple[KernelMap, ...]
    at16: Tensor
    fine8: Tensor
    fine4: Tensor
    centres: Tensor
    places: Tensor
    to_points: Interpolation


@dataclass(frozen=True)
class Sight:
    """Everything that was seen in one frame. world_from_sweep: [4, 4] float64."""

    pictures: Mapping[str, PictureSight]
    sweep: SweepSight | None
    world_from_sweep: Tensor


@dataclass(frozen=True)
class Prompts:
    """Of one track in one frame, by reading (a camera's name or SWEEP).

    points: coordinates [P, 2] px of the model's picture or [P, 3] metres, and labels [P].
    masks: logits at stride 4, [S/4, S/4] or [n4].
    """

    points: Mapping[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    masks: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def is_ambiguous(self) -> bool:
        """At most one point: several masks are offered (quirk 9: of the first reading only)."""
        first = next(iter(self.points.values()), None)
        return first is None or len(first[1]) <= 1


@dataclass(frozen=True)
class Answer:
    """Of one track in one reading.

    low: logits at stride 4, [S/4, S/4] or [n4].  high: [S, S] or [N].  iou: estimated.
    pointer: [256].  object_logit: above 0 where the object is there.
    """

    low: Tensor
    high: Tensor
    iou: Tensor
    pointer: Tensor
    object_logit: Tensor


@dataclass(frozen=True)
class Memory:
    """Of one track in one frame: by reading, tokens [M, 256] and the pointer [256]."""

    tokens: Mapping[str, Tensor]
    pointers: Mapping[str, Tensor]


@dataclass(frozen=True)
class Remembered:
    """A memory as a later frame looks back at it.

    row: of the temporal embedding.  now_from_then: [4, 4] float64.
    """

    memory: Memory
    sight: Sight
    row: int
    now_from_then: Tensor


@dataclass(frozen=True)
class Pointed:
    """A pointer's memory, how long ago as a share of the longest time, and the motion since."""

    memory: Memory
    ago: float
    now_from_then: Tensor


class Sam4d(nn.Module):
    """The whole model."""

    def __init__(self, config: Sam4dConfig) -> None:
        super().__init__()
        self.config = config
        quirks = config.quirks
        self.image_encoder = ImageEncoder(config.image)
        self.lidar_encoder = LidarEncoder(
            LidarEncoderConfig(keep_incomplete=not quirks.drop_incomplete)
        )
        self.places = PositionEncoding(one_frequency=quirks.one_frequency)
        self.image_prompts = ImagePrompts()
        self.lidar_prompts = LidarPrompts()
        self.mask_decoder = MaskDecoder(linear_in_sweep=quirks.linear_in_sweep)
        self.pointer_proj = Perceptron(CHANNELS, CHANNELS, CHANNELS, CHANNELS)
        self.pointer_time = nn.Linear(CHANNELS, CHANNELS)
        self.no_pointer = nn.Parameter(torch.zeros(1, CHANNELS))
        self.image_memory = ImageMemoryEncoder()
        self.lidar_memory = LidarMemoryEncoder()
        self.memory_attention = MemoryAttention()
        self.motion = MotionEncoder()
        self.frame_embedding = nn.Parameter(torch.zeros(config.memory_frames, 1, 1, CHANNELS))
        self.no_memory = nn.Parameter(torch.zeros(1, 1, CHANNELS))
        self.absent = nn.Parameter(torch.zeros(1, CHANNELS))
        self.image_mask_down = nn.Conv2d(1, 1, kernel_size=4, stride=4)
        self.lidar_mask_down = SparseConv(64, 1, 1, bias=True)

    # --- seeing ----------------------------------------------------------------------------------

    def look_at_picture(self, image: Tensor, camera: Camera) -> PictureSight:
        """image: [3, S, S], normalised."""
        return self.picture_sight(self.picture_features(image[None]), camera)

    def look_at_sweep(self, points: Tensor) -> SweepSight:
        """points: [N, 3] metres, finite."""
        cells = self.cells(points)
        return self.sweep_sight(self.sweep_features(cells), cells)

    def picture_features(self, images: Tensor) -> Features:
        """The costly part of seeing pictures.  images: [B, 3, S, S], normalised."""
        at4, at8, at16 = self.image_encoder(images)
        return Features(at16, self.mask_decoder.conv_s1(at8), self.mask_decoder.conv_s0(at4))

    def picture_sight(self, features: Features, camera: Camera) -> PictureSight:
        """One picture's features (B = 1), and where its tokens look."""
        side = features.at16.shape[-1]
        rays = camera.rays(pixel_centres(side, STRIDE, device=features.at16.device))
        places = self.places.sine_of_grid(side) + self.places.shared(rays)
        return PictureSight(camera, features.at16[0], features.fine8, features.fine4, rays, places)

    def cells(self, points: Tensor) -> SweepCells:
        """A sweep cut into voxels, and their levels.  points: [N, 3] metres, finite."""
        quirks = self.config.quirks
        cell_m = self.lidar_encoder.config.cell_m
        voxelised = voxelise_like_release(points) if quirks.two_grids else voxelise(points, cell_m)
        return SweepCells(points.float(), voxelised, *self.lidar_encoder.levels(voxelised.voxels))

    def sweep_features(self, cells: SweepCells) -> Features:
        """The costly part of seeing a sweep."""
        ones = torch.ones(len(cells.levels[0]), 1, device=cells.points.device)
        _, _, at4, at8, at16 = self.lidar_encoder(cells.levels[0], ones).features
        return Features(
            at16, self.mask_decoder.conv_s1_pts(at8), self.mask_decoder.conv_s0_pts(at4)
        )

    def sweep_sight(self, features: Features, cells: SweepCells) -> SweepSight:
        """A sweep's features, and where its voxels are."""
        levels = cells.levels
        interpolate = (
            interpolation_like_release if self.config.quirks.wrong_interpolation else interpolation
        )
        centres = mean_of_points(cells.points, cells.voxelised, levels[4], STRIDE)
        return SweepSight(
            cells.voxelised,
            levels,
            cells.maps,
            features.at16,
            features.fine8,
            features.fine4,
            centres,
            self.places.of_points(centres),
            interpolate(cells.voxelised.places, levels[2], 4),
        )

    # --- answering -------------------------------------------------------------------------------

    def answer(
        self,
        sight: Sight,
        prompts: Prompts,
        remembered: Sequence[Remembered] | None,
        pointed: Sequence[Pointed] = (),
    ) -> dict[str, Answer]:
        """A track's masks in every reading of a frame.

        remembered: None where the track begins (its first prompted frame): then the features are
        what was seen, without a look back.
        """
        features = {
            name: self._features(name, sight, remembered, pointed) for name in readings(sight)
        }
        return self.decode(sight, prompts, features, ambiguous=prompts.is_ambiguous)

    def _features(
        self,
        name: str,
        sight: Sight,
        remembered: Sequence[Remembered] | None,
        pointed: Sequence[Pointed],
    ) -> Tensor:
        """[N, 256] of a reading, after a look back at the memories."""
        seen = _tokens_seen(name, sight)
        if remembered is None:
            return seen + self.no_memory[0]
        memory, places = self._look_back(name, sight, remembered, pointed)
        mixed: Tensor = self.memory_attention(
            seen[None], _places_seen(name, sight)[None], memory[None], places[None]
        )
        return mixed[0]

    def _look_back(
        self,
        name: str,
        sight: Sight,
        remembered: Sequence[Remembered],
        pointed: Sequence[Pointed],
    ) -> tuple[Tensor, Tensor]:
        """All that a reading attends to, and where it is: each [M, 256].

        Memories of each reading with its pointers, then what the other readings see now.
        """
        tokens: list[Tensor] = []
        places: list[Tensor] = []
        for reading in readings(sight):
            for each in remembered:
                if reading in each.memory.tokens:
                    tokens.append(each.memory.tokens[reading])
                    places.append(self._places_then(reading, each))
            for pointer in pointed:
                if reading in pointer.memory.pointers:
                    tokens.append(pointer.memory.pointers[reading][None])
                    places.append(self._place_of_pointer(pointer)[None])
        for other in readings(sight):
            if other != name:
                tokens.append(_tokens_seen(other, sight))
                places.append(_places_seen(other, sight))
        return torch.cat(tokens), torch.cat(places)

    def _places_then(self, reading: str, each: Remembered) -> Tensor:
        """Where a memory's tokens are now: [M, 256]."""
        row = self.frame_embedding[each.row, 0, 0]
        if reading == SWEEP:
            assert each.sight.sweep is not None
            centres = Rays.through_points(each.sight.sweep.centres).moved(each.now_from_then)
            own = self.places.fourier(centres.origins)
            return self._rounded(own) + self.places.shared(centres) + row
        picture = each.sight.pictures[reading]
        side = picture.places.shape[0]
        own = self._rounded(self.places.sine_of_grid(side))
        shared = self.places.shared(picture.rays.moved(each.now_from_then))
        return (own + shared + row).flatten(0, 1)

    def _place_of_pointer(self, pointer: Pointed) -> Tensor:
        ago = torch.tensor([pointer.ago], device=self.no_pointer.device)
        place: Tensor = self.pointer_time(sine_of_times(ago))[0]
        return place + self.motion(pointer.now_from_then)

    def _rounded(self, x: Tensor) -> Tensor:
        return x.bfloat16().to(x.dtype) if self.config.quirks.bfloat16_memory else x

    def decode(
        self, sight: Sight, prompts: Prompts, features: Mapping[str, Tensor], *, ambiguous: bool
    ) -> dict[str, Answer]:
        """features: of each reading, [N, 256]."""
        tokens = self.prompt_tokens(sight, prompts)
        answers = {}
        for name in readings(sight):
            offered = self.candidates(name, sight, prompts, features[name], tokens[name])
            answers[name] = self._chosen(offered, ambiguous, sight, name)
        return answers

    def candidates(
        self, name: str, sight: Sight, prompts: Prompts, features: Tensor, tokens: Tensor
    ) -> Candidates:
        """What the decoder offers for one reading.  features: [N, 256].  tokens: [1, T, 256]."""
        if name == SWEEP:
            return self._in_sweep(sight, prompts, features, tokens)
        return self._in_picture(name, sight.pictures[name], prompts, features, tokens)

    def prompt_tokens(self, sight: Sight, prompts: Prompts) -> dict[str, Tensor]:
        """Each reading's tokens, its own first: [1, T, 256]."""
        own = {name: self._own_tokens(name, sight, prompts) for name in readings(sight)}
        if len(sight.pictures) != 1 or sight.sweep is None:
            return {
                name: torch.cat([own[name], *(t for other, t in own.items() if other != name)], 1)
                for name in own
            }
        (camera,) = sight.pictures
        twice = self.config.quirks.image_tokens_twice
        picture, sweep = exchange(own[camera], own[SWEEP], image_tokens_twice=twice)
        return {camera: picture, SWEEP: sweep}

    def _own_tokens(self, name: str, sight: Sight, prompts: Prompts) -> Tensor:
        encoder = self.lidar_prompts if name == SWEEP else self.image_prompts
        device = self.no_memory.device
        if name not in prompts.points:
            nowhere = torch.zeros(1, 1, CHANNELS, device=device)
            return encoder.tokens(nowhere, torch.full((1, 1), PADDING, device=device))
        where, labels = prompts.points[name]
        if name == SWEEP:
            encodings = self.places.of_points(where)
        else:
            rays = sight.pictures[name].camera.rays(where)
            encodings = self.places.of_pixels(where, rays, self.config.side_px)
        return encoder.tokens(encodings[None], labels[None])

    def _in_picture(
        self, name: str, seen: PictureSight, prompts: Prompts, features: Tensor, tokens: Tensor
    ) -> Candidates:
        side = seen.at16.shape[-1]
        if name in prompts.masks:
            dense = self.image_prompts.dense(prompts.masks[name][None, None])
        else:
            dense = self.image_prompts.no_mask_embed.weight[..., None, None]
        grid = features.T.unflatten(1, (side, side))[None] + dense
        return self.mask_decoder.in_picture(grid, seen.places, tokens, seen.fine8, seen.fine4)

    def _in_sweep(
        self, sight: Sight, prompts: Prompts, features: Tensor, tokens: Tensor
    ) -> Candidates:
        seen = sight.sweep
        assert seen is not None
        if SWEEP in prompts.masks:
            mask = prompts.masks[SWEEP][:, None]
            dense = self.lidar_prompts.dense(mask, seen.maps[2], seen.maps[3])
        else:
            dense = self.lidar_prompts.no_mask_embed.weight
        return self.mask_decoder.in_sweep(
            (features + dense)[None], seen.places, tokens, seen.fine8, seen.fine4,
            seen.maps[2], seen.maps[3],
        )  # fmt: skip

    def _chosen(self, candidates: Candidates, ambiguous: bool, sight: Sight, name: str) -> Answer:
        best = 1 + int(candidates.ious[0, 1:].argmax())
        token = best if ambiguous else 0
        mask = token
        if not ambiguous and _stability(candidates.masks[0, 0]) < STABLE_FROM:
            mask = best
        object_logit = candidates.object_logits[0, 0]
        is_there = object_logit > 0
        low = torch.where(is_there, candidates.masks[0, mask], ABSENT)
        pointer = self.pointer_proj(candidates.tokens[0, token])
        pointer = torch.where(is_there, pointer, self.no_pointer[0])
        high = self.high(low, sight, name)
        return Answer(low, high, candidates.ious[0, mask], pointer, object_logit)

    def high(self, low: Tensor, sight: Sight, name: str) -> Tensor:
        """Logits at stride 4 -> [S, S] of the model's picture, or [N] of the points."""
        if name == SWEEP:
            assert sight.sweep is not None
            return sight.sweep.to_points(low[:, None])[:, 0]
        side = self.config.side_px
        return F.interpolate(low[None, None], size=(side, side), mode="bilinear")[0, 0]

    def answer_masks(self, sight: Sight, masks: Mapping[str, Tensor]) -> dict[str, Answer]:
        """A track whose masks are given, as 0 and 1: [S, S] and [N].

        The masks are taken as they are; the decoder only makes their pointers.
        """
        prompts = Prompts(masks={name: self._shrunk(masks[name], sight, name) for name in masks})
        seen = {name: _tokens_seen(name, sight) for name in masks}
        answers = {}
        for name, decoded in self.decode(sight, prompts, seen, ambiguous=False).items():
            mask = masks[name].float()
            high = mask * MASK_SCALE + MASK_SHIFT
            is_there = mask.any()
            answers[name] = Answer(
                self._low(high, sight, name),
                high,
                torch.ones((), device=mask.device),
                torch.where(is_there, decoded.pointer, self.no_pointer[0]),
                torch.where(is_there, 10.0, -10.0),
            )
        return answers

    def _shrunk(self, mask: Tensor, sight: Sight, name: str) -> Tensor:
        """A mask prompt at stride 4, for the decoder."""
        if name != SWEEP:
            shrunk: Tensor = self.image_mask_down(mask[None, None].float())
            return shrunk[0, 0]
        seen = sight.sweep
        assert seen is not None
        keep_incomplete = self.lidar_encoder.config.keep_incomplete
        coarser = seen.levels[0].coarser(4, keep_incomplete=keep_incomplete)
        values = self.on_voxels(mask.float(), seen.voxelised)[:, None]
        made = self.lidar_mask_down(values, coarser.kernel_map)
        # Quirk 22: dropping incomplete cells once by 4 or twice by 2 is not always the same.
        rows = coarser.voxels.rows_of(seen.levels[2].cells)
        assert self.lidar_mask_down.bias is not None
        return torch.where(rows >= 0, made[rows.clamp(min=0), 0], self.lidar_mask_down.bias)

    def _low(self, high: Tensor, sight: Sight, name: str) -> Tensor:
        """Given logits at stride 4: smoothed, or the mean of each voxel's points."""
        if name != SWEEP:
            side = high.shape[-1] // 4
            return F.interpolate(
                high[None, None], size=(side, side), mode="bilinear", antialias=True
            )[0, 0]
        seen = sight.sweep
        assert seen is not None
        return mean_of_points(high[:, None], seen.voxelised, seen.levels[2], 4)[:, 0]

    # --- remembering -----------------------------------------------------------------------------

    def remember(self, sight: Sight, answers: Mapping[str, Answer]) -> Memory:
        """Pack a frame's masks and features for later frames."""
        tokens = {}
        for name, answer in answers.items():
            mask = torch.sigmoid(answer.high) * MASK_SCALE + MASK_SHIFT
            if name == SWEEP:
                seen = sight.sweep
                assert seen is not None
                packed = self.lidar_memory(
                    seen.at16,
                    self.on_voxels(mask, seen.voxelised)[:, None],
                    list(seen.maps),
                    seen.levels[4],
                )
            else:
                picture = sight.pictures[name]
                packed = self.image_memory(picture.at16[None], mask[None, None])[0].flatten(1).T
            if answer.object_logit <= 0:
                packed = packed + self.absent
            tokens[name] = self._rounded(packed)
        return Memory(tokens, {name: answer.pointer for name, answer in answers.items()})

    def on_voxels(self, values: Tensor, voxelised: Voxelised) -> Tensor:
        """Of points [N] -> of stride-1 voxels [n1]: their mean, or the last point's (quirk 3)."""
        rows, count = voxelised.rows, len(voxelised.voxels)
        if self.config.quirks.last_point_wins:
            order = torch.arange(len(rows), device=rows.device)
            last = torch.zeros(count, dtype=torch.long, device=rows.device)
            return values[last.scatter_reduce(0, rows, order, "amax")]
        sums = values.new_zeros(count).index_add(0, rows, values)
        return sums / torch.bincount(rows, minlength=count)


def readings(sight: Sight) -> list[str]:
    """The cameras, then the sweep."""
    return [*sight.pictures, *([SWEEP] if sight.sweep is not None else [])]


def _tokens_seen(name: str, sight: Sight) -> Tensor:
    """[N, 256]."""
    if name == SWEEP:
        assert sight.sweep is not None
        return sight.sweep.at16
    return sight.pictures[name].at16.flatten(1).T


def _places_seen(name: str, sight: Sight) -> Tensor:
    if name == SWEEP:
        assert sight.sweep is not None
        return sight.sweep.places
    return sight.pictures[name].places.flatten(0, 1)


def _stability(logits: Tensor) -> float:
    """Share of a mask that stays when its threshold is raised a little: 1 is stable."""
    wide = (logits > -STABLE_BY).sum()
    return float((logits > STABLE_BY).sum() / wide) if wide else 1.0


def mean_of_points(values: Tensor, voxelised: Voxelised, voxels: Voxels, stride: int) -> Tensor:
    """The mean of the points' values [N, C] in each voxel of a level: [n, C]."""
    rows = voxels.rows_of(torch.div(voxelised.places, stride).floor().long())
    kept = rows >= 0
    sums = values.new_zeros(len(voxels), values.shape[1]).index_add(0, rows[kept], values[kept])
    return sums / torch.bincount(rows[kept], minlength=len(voxels))[:, None]
