"""One frame in; masks and memory out.

B tracks, W channels, h x w tokens of a picture, n voxels, N points. A frame is seen once
(`look_at_*`); tracks are then answered from what was seen, their prompts, and what the model
remembers of them (`answer`), and what they look like there is packed for later frames (`remember`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.sam4d.answers import Answer, Answers, Memory, Past, Prompts
from inference.sam4d.config import Sam4dConfig
from inference.sam4d.image_encoder import ImageEncoder
from inference.sam4d.layers import Perceptron
from inference.sam4d.lidar_encoder import (
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
from inference.sam4d.position_encoding import PositionEncoding, pixel_centres
from inference.sam4d.prompt_encoder import PADDING, ImagePrompts, LidarPrompts
from inference.sam4d.sight import (
    STRIDE,
    SWEEP,
    Camera,
    Features,
    PictureSight,
    Sight,
    SweepCells,
    SweepSight,
    Whereabouts,
)
from inference.sam4d.sparse import Voxels

ABSENT = -1024.0  # logits of a mask whose object is not there
STABLE_BY, STABLE_FROM = 0.05, 0.98  # a mask is stable when moving its threshold changes < 2 %


class Sam4d(nn.Module):
    """The whole model.

    memory_dtype: in which memories are kept. The release rounds them; ours does where it only runs,
    as half the bytes are worth more there (see `runtime`).
    """

    def __init__(self, config: Sam4dConfig) -> None:
        super().__init__()
        self.config = config
        quirks, width = config.quirks, config.width
        self.image_encoder = ImageEncoder(config.image, width)
        self.lidar_encoder = LidarEncoder(config.lidar, keep_incomplete=not quirks.drop_incomplete)
        self.places = PositionEncoding(
            width, one_frequency=quirks.one_frequency, raw_metres=quirks.raw_metres
        )
        self.image_prompts = ImagePrompts(width)
        self.lidar_prompts = LidarPrompts(width)
        self.mask_decoder = MaskDecoder(config)
        self.pointer_proj = Perceptron(width, width, width, width)
        self.pointer_time = nn.Linear(width, width)
        self.no_pointer = nn.Parameter(torch.zeros(1, width))
        self.image_memory = ImageMemoryEncoder(width)
        self.lidar_memory = LidarMemoryEncoder(width, config.memory_kernel)
        self.memory_attention = MemoryAttention(
            width,
            config.hidden,
            config.memory_layers,
            queries_without_places=quirks.queries_without_places,
        )
        self.motion = MotionEncoder(width)
        self.frame_embedding = nn.Parameter(torch.zeros(config.memory_frames, 1, 1, width))
        self.no_memory = nn.Parameter(torch.zeros(1, 1, width))
        self.absent = nn.Parameter(torch.zeros(1, width))
        self.image_mask_down = nn.Conv2d(1, 1, kernel_size=4, stride=4)
        self.lidar_mask_down = SparseConv(64, 1, 1, bias=True)
        self.memory_dtype = torch.bfloat16 if quirks.bfloat16_memory else torch.float32

    # --- seeing ----------------------------------------------------------------------------------

    def look_at_picture(self, image: Tensor, camera: Camera) -> PictureSight:
        """image: [3, S, S], normalised."""
        return self.picture_sight(self.picture_features(image[None]), camera)

    def look_at_sweep(self, points: Tensor) -> SweepSight:
        """points: [N, 3] metres, finite."""
        cells = self.cells(points)
        return self.sweep_sight(self.sweep_features(cells), cells)

    def picture_features(self, images: Tensor) -> Features:
        """The costly part of seeing pictures.  images: [P, 3, S, S], normalised."""
        at4, at8, at16 = self.image_encoder(images)
        return Features(at16, self.mask_decoder.conv_s1(at8), self.mask_decoder.conv_s0(at4))

    def picture_sight(self, features: Features, camera: Camera) -> PictureSight:
        """One picture's features (P = 1), and where its tokens look."""
        side = features.at16.shape[-1]
        rays = camera.rays(pixel_centres(side, STRIDE, device=features.at16.device))
        places = self.places.sine_of_grid(side) + self.places.shared(rays)
        return PictureSight(camera, features.at16[0], features.fine8, features.fine4, rays, places)

    def cells(self, points: Tensor) -> SweepCells:
        """A sweep cut into voxels, and their levels.  points: [N, 3] metres, finite."""
        quirks = self.config.quirks
        cell_m = self.config.lidar.cell_m
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
            cells.points,
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

    def answer(self, sight: Sight, prompts: Prompts, past: Past | None) -> dict[str, Answer]:
        """The tracks' masks in every reading of a frame.

        past: None where the tracks begin, in their first prompted frame.
        """
        features = {name: self.features_of(name, sight, past) for name in sight.readings}
        decides = self.config.quirks.first_reading_decides
        ambiguous = prompts.are_ambiguous(first_reading_decides=decides)
        return self.decode(sight, prompts, features, ambiguous=ambiguous)

    def answer_masks(
        self, sight: Sight, masks: Mapping[str, Tensor], past: Past | None = None
    ) -> dict[str, Answer]:
        """Tracks whose masks are given in some readings, as 0 and 1: [B, S, S] and [B, N].

        These masks are taken as they are; the decoder only makes their pointers. In the other
        readings points drawn from the masks are the prompts.
        """
        given = Prompts(masks={name: self._shrunk(masks[name], sight, name) for name in masks})
        seen = {name: sight.tokens(name)[None] for name in masks}
        answers = {
            name: self._taken(name, masks[name].float(), decoded, sight)
            for name, decoded in self.decode(sight, given, seen, ambiguous=False).items()
        }
        others = [name for name in sight.readings if name not in masks]
        if others:
            points = {name: self.three_points(name, masks[name], sight) for name in masks}
            features = {name: self.features_of(name, sight, past) for name in others}
            answers |= self.decode(sight, Prompts(points), features, ambiguous=False)
        return {name: answers[name] for name in sight.readings if name in answers}

    def mask_logits(self, masks: Tensor, sight: Sight, name: str) -> Tensor:
        """Masks of 0 and 1, [B, S, S] or [B, N], as logits at stride 4."""
        return self._low(masks * MASK_SCALE + MASK_SHIFT, sight, name)

    def _taken(self, name: str, mask: Tensor, decoded: Answer, sight: Sight) -> Answer:
        logits = mask * MASK_SCALE + MASK_SHIFT
        is_there = mask.flatten(1).any(dim=1)
        return Answer(
            self._low(logits, sight, name),
            torch.ones_like(decoded.iou),
            torch.where(is_there[:, None], decoded.pointer, self.no_pointer),
            torch.where(is_there, 10.0, -10.0),
            given=logits,
        )

    @staticmethod
    def three_points(name: str, masks: Tensor, sight: Sight) -> tuple[Tensor, Tensor]:
        """Points that stand for each mask of a reading: coordinates [B, 3, 2 or 3] and labels [B, 3]."""
        if name == SWEEP:
            assert sight.sweep is not None
            coordinates = sight.sweep.points
        else:
            coordinates = pixel_centres(masks.shape[-1], 1, device=masks.device).flatten(0, 1)
        drawn = [points_within(coordinates[mask.flatten().bool()]) for mask in masks]
        return torch.stack([where for where, _ in drawn]), torch.stack(
            [label for _, label in drawn]
        )

    def features_of(self, name: str, sight: Sight, past: Past | None) -> Tensor:
        """[B or 1, N, W] of a reading, after a look back at the memories."""
        if past is None:
            return self._fresh(name, sight)
        tokens, places = self._look_back(name, sight, past)
        return self._mixed(name, sight, tokens, places)

    def _fresh(self, name: str, sight: Sight) -> Tensor:
        """[1, N, W] of a reading where tracks begin, the same for all of them."""
        kept = f"fresh {name}"
        if kept not in sight.derived:
            if self.config.quirks.alone_when_prompted:
                fresh = sight.tokens(name)[None] + self.no_memory
            else:
                others = self._looked_at(name, sight.readings, now=True)
                tokens = [self.no_memory[0], *(sight.tokens(other) for other in others)]
                nowhere = torch.zeros_like(self.no_memory[0])
                places = [nowhere, *(sight.places(other) for other in others)]
                fresh = self._mixed(name, sight, torch.cat(tokens)[None], torch.cat(places))
            sight.derived[kept] = fresh
        return sight.derived[kept]

    def _mixed(self, name: str, sight: Sight, tokens: Tensor, places: Tensor) -> Tensor:
        """tokens: [B, M, W] that a reading looks at, and their places [M, W].  Returns [B, N, W]."""
        mixed: Tensor = self.memory_attention(
            sight.tokens(name)[None], sight.places(name)[None], tokens, places[None]
        )
        return mixed

    @staticmethod
    def _looked_at(name: str, readings: Sequence[str], *, now: bool) -> list[str]:
        """Whose tokens a reading looks at: memories, or what the others see now.

        The sweep looks at all pictures. A picture looks at itself and at the sweep, which joins the
        cameras in 3D: its work does not grow with their number. Without a sweep it looks at all.
        """
        joined_by_sweep = name != SWEEP and SWEEP in readings
        looked_at = [name, SWEEP] if joined_by_sweep else readings
        return [other for other in readings if other in looked_at and not (now and other == name)]

    def _look_back(self, name: str, sight: Sight, past: Past) -> tuple[Tensor, Tensor]:
        """All that a reading attends to, [B, M, W], and where it is, [M, W].

        Memories of each reading with its pointers, then what the other readings see now.
        """
        tokens: list[Tensor] = []
        places: list[Tensor] = []
        known = [*sight.readings]
        for each in past.remembered:
            known += [reading for reading in each.places if reading not in known]
        looked_at = self._looked_at(name, known, now=False)
        for reading in known:
            for each in past.remembered if reading in looked_at else ():
                if reading in each.places:
                    together = torch.stack([kept.tokens[reading] for kept in each.memories])
                    tokens.append(together.to(self.no_memory.dtype))
                    places.append(each.places[reading] + self.frame_embedding[each.row, 0, 0])
            for pointed in past.pointed:
                if reading in pointed.memories[0].pointers:
                    pointers = [kept.pointers[reading] for kept in pointed.memories]
                    tokens.append(torch.stack(pointers)[:, None])
                    places.append(pointed.place[None])
        tracks = len(tokens[0]) if tokens else 1
        for other in self._looked_at(name, sight.readings, now=True):
            tokens.append(sight.tokens(other).expand(tracks, -1, -1))
            places.append(sight.places(other))
        if not tokens:
            return self.no_memory, torch.zeros_like(self.no_memory[0])
        return torch.cat(tokens, dim=1), torch.cat(places)

    def places_then(self, where: Whereabouts, now_from_then: Tensor) -> dict[str, Tensor]:
        """Where a frame's tokens are, for a frame that looks back: by reading, [M, W].

        now_from_then: [4, 4] float64.
        """
        places = {}
        for name, rays in where.rays.items():
            moved = rays.moved(now_from_then)
            if name == SWEEP:
                own = self.places.fourier(moved.origins)
            else:
                own = self.places.sine_of_grid(rays.origins.shape[0])
            places[name] = (self._rounded(own) + self.places.shared(moved)).reshape(
                -1, self.config.width
            )
        return places

    def place_of_pointer(self, ago: float, now_from_then: Tensor) -> Tensor:
        """[W].  ago: how long ago the pointer was made, as a share of the longest time."""
        share = torch.tensor([ago], device=self.no_pointer.device)
        place: Tensor = self.pointer_time(sine_of_times(share, self.config.width))[0]
        return place + self.motion(now_from_then)

    def _rounded(self, x: Tensor) -> Tensor:
        return x.bfloat16().to(x.dtype) if self.config.quirks.bfloat16_memory else x

    def decode(
        self, sight: Sight, prompts: Prompts, features: Mapping[str, Tensor], *, ambiguous: bool
    ) -> dict[str, Answer]:
        """features: of the readings that are asked for, [B or 1, N, W]."""
        tokens = self.prompt_tokens(sight, prompts)
        return {
            name: self.chosen(self.candidates(name, sight, prompts, asked, tokens[name]), ambiguous)
            for name, asked in features.items()
        }

    def candidates(
        self, name: str, sight: Sight, prompts: Prompts, features: Tensor, tokens: Tensor
    ) -> Candidates:
        """What the decoder offers for one reading.

        features: [B or 1, N, W].  tokens: [B or 1, T, W].
        """
        if name == SWEEP:
            return self._in_sweep(sight, prompts, features, tokens)
        return self._in_picture(name, sight.pictures[name], prompts, features, tokens)

    def prompt_tokens(self, sight: Sight, prompts: Prompts) -> dict[str, Tensor]:
        """Each reading's tokens, its own first, then those of the others: [B or 1, T, W]."""
        own = {name: self._own_tokens(name, sight, prompts) for name in sight.readings}
        tracks = max((len(tokens) for tokens in own.values()), default=1)
        own = {name: tokens.expand(tracks, -1, -1) for name, tokens in own.items()}
        twice = self.config.quirks.image_tokens_twice
        return {
            name: torch.cat(
                [own[name], *(t for other, t in own.items() if other != name)]
                + ([own[name]] if twice and name != SWEEP else []),
                dim=1,
            )
            for name in own
        }

    def _own_tokens(self, name: str, sight: Sight, prompts: Prompts) -> Tensor:
        encoder = self.lidar_prompts if name == SWEEP else self.image_prompts
        device = self.no_memory.device
        if name not in prompts.points:
            return encoder.tokens(
                torch.zeros_like(self.no_memory), torch.full((1, 1), PADDING, device=device)
            )
        where, labels = prompts.points[name]
        if name == SWEEP:
            encodings = self.places.of_points(where)
        else:
            rays = sight.pictures[name].camera.rays(where)
            encodings = self.places.of_pixels(where, rays, self.config.side_px)
        return encoder.tokens(encodings, labels)

    def _in_picture(
        self, name: str, seen: PictureSight, prompts: Prompts, features: Tensor, tokens: Tensor
    ) -> Candidates:
        side = seen.at16.shape[-1]
        if name in prompts.masks:
            dense = self.image_prompts.dense(prompts.masks[name][:, None])
        else:
            dense = self.image_prompts.no_mask_embed.weight[..., None, None]
        grid = features.transpose(1, 2).unflatten(2, (side, side)) + dense
        return self.mask_decoder.in_picture(grid, seen.places, tokens, seen.fine8, seen.fine4)

    def _in_sweep(
        self, sight: Sight, prompts: Prompts, features: Tensor, tokens: Tensor
    ) -> Candidates:
        seen = sight.sweep
        assert seen is not None
        if SWEEP in prompts.masks:
            mask = prompts.masks[SWEEP].T[..., None]
            dense = self.lidar_prompts.dense(mask, seen.maps[2], seen.maps[3]).transpose(0, 1)
        else:
            dense = self.lidar_prompts.no_mask_embed.weight
        return self.mask_decoder.in_sweep(
            features + dense, seen.places, tokens, seen.fine8, seen.fine4,
            seen.maps[2], seen.maps[3],
        )  # fmt: skip

    def chosen(self, candidates: Candidates, ambiguous: bool) -> Answer:
        """One mask a track: the best of the last three, or the first where it is stable."""
        best = 1 + candidates.ious[:, 1:].argmax(dim=1)
        rows = torch.arange(len(best), device=best.device)
        token = best if ambiguous else torch.zeros_like(best)
        unstable = _stability(candidates.masks[:, 0]) < STABLE_FROM
        mask = torch.where(unstable, best, token)
        object_logit = candidates.object_logits[:, 0]
        is_there = object_logit > 0
        low = candidates.masks[rows, mask]
        pointer = self.pointer_proj(candidates.tokens[rows, token])
        return Answer(
            torch.where(is_there.reshape(-1, *[1] * (low.ndim - 1)), low, ABSENT),
            candidates.ious[rows, mask],
            torch.where(is_there[:, None], pointer, self.no_pointer),
            object_logit,
        )

    def high(self, answer: Answer, sight: Sight, name: str) -> Tensor:
        """Logits of the model's picture, [B, S, S], or of the points, [B, N]."""
        if answer.given is not None:
            return answer.given
        if name == SWEEP:
            assert sight.sweep is not None
            return sight.sweep.to_points(answer.low.T).T
        return _resized(answer.low, (self.config.side_px, self.config.side_px))

    def full_size(
        self, answer: Answer, sight: Sight, name: str, size: tuple[int, int], *, prompted: bool
    ) -> Tensor:
        """Logits of a camera's picture as it was recorded: [B, height, width].

        prompted: the answer was given to prompts in this frame, not while following (quirk 14).
        """
        in_one_step = prompted or not self.config.quirks.two_ways_to_full_size
        return _resized(answer.low if in_one_step else self.high(answer, sight, name), size)

    def _shrunk(self, masks: Tensor, sight: Sight, name: str) -> Tensor:
        """Mask prompts at stride 4, for the decoder: [B, S/4, S/4] or [B, n4]."""
        if name != SWEEP:
            shrunk: Tensor = self.image_mask_down(masks[:, None].float())
            return shrunk[:, 0]
        seen = sight.sweep
        assert seen is not None
        coarser = seen.levels[0].coarser(4, keep_incomplete=self.lidar_encoder.keep_incomplete)
        values = self.on_voxels(masks.float(), seen.voxelised)[..., None]
        made = self.lidar_mask_down(values, coarser.kernel_map)[..., 0]
        # Quirk 22: dropping incomplete cells once by 4 or twice by 2 is not always the same.
        rows = coarser.voxels.rows_of(seen.levels[2].cells)
        assert self.lidar_mask_down.bias is not None
        kept = torch.where((rows >= 0)[:, None], made[rows.clamp(min=0)], self.lidar_mask_down.bias)
        return kept.T

    def _low(self, logits: Tensor, sight: Sight, name: str) -> Tensor:
        """Given logits at stride 4: smoothed, or the mean of each voxel's points."""
        if name != SWEEP:
            side = logits.shape[-1] // 4
            return _resized(logits, (side, side), antialias=True)
        seen = sight.sweep
        assert seen is not None
        return mean_of_points(logits.T, seen.voxelised, seen.levels[2], 4).T

    # --- remembering -----------------------------------------------------------------------------

    def remember(self, sight: Sight, answers: Answers) -> list[Memory]:
        """Pack a frame's masks and features for later frames: one memory a track."""
        by_reading = {
            name: self._packed_tracks(name, answer, sight) for name, answer in answers.items()
        }
        tracks = len(next(iter(answers.values())).iou)
        return [
            Memory(
                {name: tokens[track] for name, tokens in by_reading.items()},
                {name: answer.pointer[track] for name, answer in answers.items()},
                sight.whereabouts,
            )
            for track in range(tracks)
        ]

    def _packed_tracks(self, name: str, answer: Answer, sight: Sight) -> list[Tensor]:
        """Each track's tokens [M, W]. Tracks that are not there share theirs, in this frame."""
        kept = f"absent {name}"
        is_there = answer.object_logit > 0
        if answer.given is None and kept not in sight.derived and not bool(is_there.all()):
            low = torch.full_like(answer.low[:1], ABSENT)
            nobody = Answer(low, answer.iou[:1], answer.pointer[:1], answer.object_logit[:1])
            empty = self._packed(name, self.high(nobody, sight, name), sight)[0]
            sight.derived[kept] = (empty + self.absent).to(self.memory_dtype)
        own = (is_there if answer.given is None else torch.ones_like(is_there)).nonzero()[:, 0]
        packed = {}
        if len(own):
            tokens = self._packed(name, self.high(answer, sight, name)[own], sight)
            tokens = tokens + torch.where(is_there[own], 0.0, 1.0)[:, None, None] * self.absent
            packed = dict(zip(own.tolist(), tokens.to(self.memory_dtype), strict=True))
        return [
            packed[track] if track in packed else sight.derived[kept]
            for track in range(len(is_there))
        ]

    def _packed(self, name: str, logits: Tensor, sight: Sight) -> Tensor:
        """logits: [B, S, S] or [B, N].  Returns [B, M, W]."""
        masks = torch.sigmoid(logits) * MASK_SCALE + MASK_SHIFT
        if name == SWEEP:
            seen = sight.sweep
            assert seen is not None
            on_voxels = self.on_voxels(masks, seen.voxelised)[..., None]
            packed = self.lidar_memory(seen.at16, on_voxels, list(seen.maps), seen.levels[4])
            return packed.transpose(0, 1)
        at16 = sight.pictures[name].at16[None]
        return self.image_memory(at16, masks[:, None]).flatten(2).transpose(1, 2)

    def on_voxels(self, values: Tensor, voxelised: Voxelised) -> Tensor:
        """Of points [B, N] -> of stride-1 voxels [n1, B]: their mean, or the last's (quirk 3)."""
        rows, count = voxelised.rows, len(voxelised.voxels)
        if self.config.quirks.last_point_wins:
            order = torch.arange(len(rows), device=rows.device)
            last = torch.zeros(count, dtype=torch.long, device=rows.device)
            return values.T[last.scatter_reduce(0, rows, order, "amax")]
        sums = values.new_zeros(count, len(values)).index_add(0, rows, values.T)
        return sums / torch.bincount(rows, minlength=count)[:, None]


def _resized(logits: Tensor, size: tuple[int, int], *, antialias: bool = False) -> Tensor:
    """[B, H, W] -> [B, height, width], bilinear."""
    return F.interpolate(logits[:, None], size=size, mode="bilinear", antialias=antialias)[:, 0]


def _stability(logits: Tensor) -> Tensor:
    """Share of each mask that stays when its threshold is raised a little, 1 is stable: [B]."""
    wide = (logits > -STABLE_BY).flatten(1).sum(dim=1)
    narrow = (logits > STABLE_BY).flatten(1).sum(dim=1)
    return torch.where(wide > 0, narrow / wide.clamp(min=1), 1.0)


def points_within(points: Tensor) -> tuple[Tensor, Tensor]:
    """Three points that stand for many: the one nearest their middle, and those of its two halves.

    points: [N, D].  Returns coordinates [3, D] and labels [3]; without points, padding.
    """
    if not len(points):
        labels = torch.full((3,), PADDING, device=points.device)
        return points.new_zeros(3, points.shape[1]), labels
    middle = points.mean(dim=0)
    away = points - middle
    along = away @ away[away.square().sum(dim=1).argmax()]
    halves = [points[along > 0], points[along < 0]]
    middles = [middle, *(half.mean(dim=0) if len(half) else middle for half in halves)]
    nearest = [(points - each).square().sum(dim=1).argmin() for each in middles]
    return points[torch.stack(nearest)], torch.ones(3, dtype=torch.long, device=points.device)


def mean_of_points(values: Tensor, voxelised: Voxelised, voxels: Voxels, stride: int) -> Tensor:
    """The mean of the points' values [N, C] in each voxel of a level: [n, C]."""
    rows = voxels.rows_of(torch.div(voxelised.places, stride).floor().long())
    kept = rows >= 0
    sums = values.new_zeros(len(voxels), values.shape[1]).index_add(0, rows[kept], values[kept])
    return sums / torch.bincount(rows[kept], minlength=len(voxels))[:, None]
