"""Compare the model in release mode with recorded inputs and outputs of the authors' release.

    python -m inference.sam4d.parity FOLDER [--json FILE]

FOLDER holds `cases.json` (what each recording is), `weights_recipe.json` (how to rebuild the random
weights, by the release's names) and the recordings, `.npz` without objects. Names and shapes of the
tensors come from the model. Prints the worst error of every array as a share of its largest value;
exit status 1 when one is above its tolerance, or when a case is of an unknown kind.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from inference.sam4d.answers import Answers, Prompts
from inference.sam4d.asked import model_pixels
from inference.sam4d.config import release
from inference.sam4d.frames import normalised
from inference.sam4d.lidar_encoder import (
    Voxelised,
    interpolation_like_release,
    voxelise_like_release,
)
from inference.sam4d.memory import MASK_SCALE, MASK_SHIFT, sine_of_times
from inference.sam4d.model import ABSENT, Sam4d, mean_of_points
from inference.sam4d.position_encoding import Rays, pixel_centres, sine_of_pixels
from inference.sam4d.sight import SWEEP, Camera, PictureSight, Sight, SweepSight
from inference.sam4d.sparse import KernelMap, Voxels
from inference.sam4d.tracking import Tracker
from inference.sam4d.weights import released_name

SIZES = {"T": "tiny", "S": "small", "Bplus": "base_plus", "L": "large"}
CAMERA = "camera"  # the release knows one
READINGS = {"img": CAMERA, "pts": SWEEP}
Arrays = Mapping[str, np.ndarray]
Case = dict[str, Any]
Found = Iterator[tuple[str, Tensor]]


@dataclass(frozen=True)
class Comparison:
    """An array's largest error, as a share of its largest value, and what is allowed."""

    case: str
    array: str
    error: float
    tolerance: float

    @property
    def passes(self) -> bool:
        return self.error <= self.tolerance


class Mismatch(ValueError):
    """A recording that cannot be compared: the message says what is odd."""


# --- weights by recipe ------------------------------------------------------------------------------


def recipe_weights(model: nn.Module, recipe: Mapping[str, Any], variant: int) -> dict[str, Tensor]:
    """Reproducible random values for every tensor of the model, by the release's name of it."""
    return {
        name: torch.as_tensor(_value(released_name(name), tuple(tensor.shape), recipe, variant)).to(
            tensor.dtype
        )
        for name, tensor in model.state_dict().items()
    }


def _value(
    name: str, shape: tuple[int, ...], recipe: Mapping[str, Any], variant: int
) -> np.ndarray:
    for rule in recipe["rules_first_match_wins"]:
        if re.search(rule["regex"], name):
            return _by_kind(rule["kind"], rule["param"], _random(name, shape, variant))
    raise Mismatch(f"no rule of the recipe fits {name}")


def _random(name: str, shape: tuple[int, ...], variant: int) -> np.ndarray:
    seed = (zlib.crc32(name.encode()) + variant) % 2**32
    count = int(np.prod(shape, dtype=np.int64))
    return np.random.RandomState(seed).standard_normal(count).reshape(shape)


def _by_kind(kind: str, parameter: Any, z: np.ndarray) -> np.ndarray:
    fan_in = float(np.prod(z.shape[1:], dtype=np.int64))
    match kind:
        case "const":
            return np.full(z.shape, parameter)
        case "affine":
            return np.asarray(parameter[0] + parameter[1] * z)
        case "one_plus_abs":
            return np.asarray(1 + parameter * np.abs(z))
        case "fan":
            return np.asarray(parameter / np.sqrt(fan_in) * z)
        case "fan_in0":
            return np.asarray(parameter / np.sqrt(z.shape[0]) * z)
        case "sparse" if z.ndim == 2:
            return np.asarray(parameter / np.sqrt(z.shape[0]) * z)
        case "sparse":
            return np.asarray(parameter / (np.sqrt(z.shape[1]) * z.shape[0] ** (1 / 3)) * z)
        case "weight":
            return 1 + 0.1 * z if z.ndim == 1 else np.asarray(parameter / np.sqrt(fan_in) * z)
    raise Mismatch(f"the recipe has a kind {kind!r} that is not known here")


# --- running a folder -------------------------------------------------------------------------------


class Folder:
    """The recordings, and the models that they ask for (the last one is kept)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cases: list[Case] = json.loads((folder / "cases.json").read_text())
        self.recipe = json.loads((folder / "weights_recipe.json").read_text())
        self._model = lru_cache(maxsize=1)(self._built)

    def compare(self) -> Iterator[Comparison]:
        for case in self.cases:
            yield from self._compare(case)

    def _compare(self, case: Case) -> Iterator[Comparison]:
        size = re.search(r"hiera([A-Za-z]+?)_", case["config"])
        if size is None or size[1] not in SIZES:
            raise Mismatch(f"{case['file']}: unknown config {case['config']!r}")
        if case["kind"] not in KINDS:
            raise Mismatch(f"{case['file']}: unknown kind {case['kind']!r}")
        model = self._model(SIZES[size[1]], case["image_size"], case["weights_variant"])
        with np.load(self.folder / case["file"], allow_pickle=False) as arrays:
            recorded = dict(arrays)
        with torch.inference_mode():
            found = dict(KINDS[case["kind"]](model, recorded, case))
        for name in case["outputs"]:
            if name not in found:
                raise Mismatch(f"{case['file']}: {name} is not computed here")
            yield _comparison(case, name, found[name], recorded[name])

    def _built(self, size: str, side_px: int, variant: int) -> Sam4d:
        model = Sam4d(release(size, side_px)).eval()
        model.load_state_dict(recipe_weights(model, self.recipe, variant))
        return model


def _comparison(case: Case, name: str, ours: Tensor, theirs: np.ndarray) -> Comparison:
    steps = case["subsample"].get(name)
    if steps:
        ours = ours[tuple(slice(None, None, step) for step in steps)]
    if tuple(ours.shape) != theirs.shape:
        raise Mismatch(f"{case['file']}: {name} is {list(ours.shape)}, not {list(theirs.shape)}")
    if name in case["exact"]:
        return Comparison(case["file"], name, float((ours.numpy() != theirs).any()), 0.0)
    tolerance = case["tolerances"].get(name, case["tolerance"])
    pairs = [(ours.numpy(), theirs)]
    if name in case["per_object_scale"]:
        pairs = list(zip(ours.numpy(), theirs, strict=True))
    error = max(_error(mine, other) for mine, other in pairs)
    return Comparison(case["file"], name, error, tolerance)


def _error(ours: np.ndarray, theirs: np.ndarray) -> float:
    scale = float(np.abs(theirs).max())
    worst = float(np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max())
    return worst / scale if scale else worst


# --- the kinds --------------------------------------------------------------------------------------


def _tensor(array: np.ndarray) -> Tensor:
    return torch.as_tensor(array)


def _camera(arrays: Arrays, image_from_model: Tensor | None = None) -> Camera:
    if image_from_model is None:
        image_from_model = torch.linalg.inv(_tensor(arrays["img_aug_matrix"]).double())
    lens, pose = (_tensor(arrays[name]) for name in ("camera_intrinsics", "camera2lidar"))
    return Camera(lens, pose, image_from_model)


def _umpe(model: Sam4d, arrays: Arrays, case: Case) -> Found:
    places, side = model.places, model.config.side_px // 16
    camera = _camera(arrays)
    rays = camera.rays(pixel_centres(side, 16))
    pixels, points = _tensor(arrays["uv"]), _tensor(arrays["xyz"])
    yield "img_sine", places.sine_of_grid(side).permute(2, 0, 1)
    yield "img_union", places.shared(rays).permute(2, 0, 1)
    moved = rays.moved(_tensor(arrays["T_rel"]))
    yield "img_union_Trel", places.shared(moved).permute(2, 0, 1)
    yield "uv_sine", sine_of_pixels(pixels / model.config.side_px, 256, one_frequency=True)
    yield "uv_union", places.shared(camera.rays(pixels))
    yield "xyz_fourier", places.fourier(points)
    yield "xyz_union", places.shared(Rays.through_points(points))


def _ego_pose(model: Sam4d, arrays: Arrays, case: Case) -> Found:
    poses = _tensor(arrays["poses"])
    now = torch.linalg.inv(poses[case["current_pose"]])
    yield "ego_embed", model.motion(now @ poses[case["previous_poses"]])
    sine = sine_of_times(_tensor(arrays["t_diff"]) / float(arrays["t_diff_max"]), 256)
    yield "sine", sine
    yield "projected", model.pointer_time(sine)


def _image_encoder(model: Sam4d, arrays: Arrays, case: Case) -> Found:
    stages = model.image_encoder.trunk(normalised(arrays["image_u8"])[None])
    at4, at8, at16 = model.image_encoder.neck(stages)
    for name in case["outputs"]:
        base = name.split("_ch")[0]
        if base.startswith("stage"):
            yield name, stages[int(base[-1])]
        else:
            yield (
                name,
                {
                    "fpn0": at4,
                    "fpn1": at8,
                    "fpn2": at16,
                    "s0": model.mask_decoder.conv_s0(at4),
                    "s1": model.mask_decoder.conv_s1(at8),
                }[base],
            )


def _lidar_backbone(model: Sam4d, arrays: Arrays, case: Case) -> Found:
    points = _tensor(arrays["points"])
    voxelised = voxelise_like_release(points)
    fine = torch.trunc(points.double() / 0.05).long()
    yield "pt_coords", (fine - fine.amin(dim=0)).int()
    yield "coords015", voxelised.places
    ones = torch.ones(len(voxelised.voxels), 1)
    down = model.lidar_encoder.descend(voxelised.voxels, ones)
    up = model.lidar_encoder(voxelised.voxels, ones)
    for level, stride in enumerate((1, 2, 4, 8, 16)):
        yield f"coords_s{stride}", down.levels[level].cells.to(torch.int16)
        yield f"enc_s{stride}_ch4", down.features[level]
    yield "dec_s8_ch8", up.features[3]
    yield "dec_s4_ch8", up.features[2]
    yield "s0", model.mask_decoder.conv_s0_pts(up.features[2])
    yield "s1", model.mask_decoder.conv_s1_pts(up.features[3])
    yield "pts_pos_s16", mean_of_points(points.float(), voxelised, down.levels[4], 16)


def _voxel_to_point(model: Sam4d, arrays: Arrays, case: Case) -> Found:
    voxels = Voxels(_tensor(arrays["coords_s4"]).long())
    interpolate = interpolation_like_release(_tensor(arrays["coords015"]), voxels, case["stride"])
    yield "point_values", interpolate(_tensor(arrays["voxel_values"]))


def _levels(voxels: Voxels) -> tuple[tuple[Voxels, ...], tuple[KernelMap, ...]]:
    """Strides 1, 2, 4, 8, 16, and the maps from each to the next."""
    levels, maps = [voxels], []
    for _ in range(4):
        coarser = levels[-1].coarser(2, keep_incomplete=False)
        levels.append(coarser.voxels)
        maps.append(coarser.kernel_map)
    return tuple(levels), tuple(maps)


def _prompt_encoder(model: Sam4d, arrays: Arrays, case: Case) -> Found:
    camera = _camera(arrays)
    for prompt in case["sparse"]:
        where, labels = (_tensor(arrays[prompt[part]]) for part in ("coords", "labels"))
        if prompt["modality"] == "img":
            pixels = where + 0.5
            encodings = model.places.of_pixels(pixels, camera.rays(pixels), model.config.side_px)
            yield prompt["output"], model.image_prompts.tokens(encodings, labels)
        else:
            yield (
                prompt["output"],
                model.lidar_prompts.tokens(model.places.of_points(where), labels),
            )
    levels, maps = _levels(voxelise_like_release(_tensor(arrays["points_0"])).voxels)
    for prompt in case["dense"]:
        logits = _tensor(arrays[prompt["mask_logits"]])
        if prompt["modality"] == "img":
            yield prompt["output"], model.image_prompts.dense(logits)[0]
        else:
            yield (
                prompt["output"],
                model.lidar_prompts.dense(logits[0, 0][:, None], maps[2], maps[3])[:, 0],
            )
    yield "coords_s4", levels[2].cells.to(torch.int16)
    yield "coords_s16", levels[4].cells.to(torch.int16)


def _recorded_sight(model: Sam4d, arrays: Arrays) -> Sight:
    """What a recording says was seen, with features that come from nowhere."""
    voxelised = voxelise_like_release(_tensor(arrays["points_0"]))
    levels, maps = _levels(voxelised.voxels)
    camera = _camera(arrays)
    places = _tensor(arrays["pos_img"]).permute(1, 2, 0)
    picture = PictureSight(
        camera,
        torch.zeros_like(_tensor(arrays["pix_feat_img"])),
        _tensor(arrays["img_s1"])[None],
        _tensor(arrays["img_s0"])[None],
        camera.rays(pixel_centres(places.shape[0], 16)),
        places,
    )
    sweep = SweepSight(
        _tensor(arrays["points_0"]),
        voxelised,
        levels,
        maps,
        torch.zeros_like(_tensor(arrays["pix_feat_pts"])),
        _tensor(arrays["pts_s1"]),
        _tensor(arrays["pts_s0"]),
        torch.zeros(len(levels[4]), 3),
        _tensor(arrays["pos_pts"]),
        interpolation_like_release(voxelised.places, levels[2], 4),
    )
    return Sight({CAMERA: picture}, sweep, torch.eye(4, dtype=torch.float64))


def _mask_decoder(model: Sam4d, arrays: Arrays, case: Case) -> Found:
    sight = _recorded_sight(model, arrays)
    points = {}
    for prompt in case["prompts"]:
        where, labels = (_tensor(arrays[prompt[part]]) for part in ("coords", "labels"))
        where = where + 0.5 if prompt["modality"] == "img" else where
        points[READINGS[prompt["modality"]]] = (where, labels)
    masks = {}
    for modality, name in (case["masks"] or {}).items():
        logits = _tensor(arrays[name])[0]
        masks[READINGS[modality]] = logits if modality == "img" else logits[..., 0]
    prompts = Prompts(points, masks)
    features = {
        CAMERA: _tensor(arrays["pix_feat_img"]).flatten(1).T[None],
        SWEEP: _tensor(arrays["pix_feat_pts"])[None],
    }
    tokens = model.prompt_tokens(sight, prompts)
    answers = model.decode(sight, prompts, features, ambiguous=case["multimask_output"])
    for modality, reading in READINGS.items():
        candidates = model.candidates(reading, sight, prompts, features[reading], tokens[reading])
        offered = candidates.ious[:, 1:] if case["multimask_output"] else answers[reading].iou
        yield f"{modality}_tokens", tokens[reading]
        yield f"{modality}_raw_masks", _with_last_axis(candidates.masks, modality)
        yield f"{modality}_raw_iou", candidates.ious
        yield f"{modality}_ious", offered.reshape(1, -1)
        answer = answers[reading]
        high = model.high(answer, sight, reading)
        yield f"{modality}_obj_ptr", answer.pointer
        yield f"{modality}_object_score_logits", answer.object_logit[:, None]
        yield f"{modality}_low_res_masks", _with_last_axis(answer.low[:, None], modality)
        yield f"{modality}_high_res_masks", _with_last_axis(high[:, None], modality)


def _with_last_axis(x: Tensor, modality: str) -> Tensor:
    """The release keeps a channel behind the points."""
    return x if modality == "img" else x[..., None]


def _memory_encoder(model: Sam4d, arrays: Arrays, case: Case) -> Found:
    voxelised: Voxelised = voxelise_like_release(_tensor(arrays["points"]))
    levels, maps = _levels(voxelised.voxels)
    logits = _tensor(arrays["img_mask_logits_quarter"])
    for axis, times in enumerate(case["expand"]["img_mask_logits_quarter"]):
        logits = logits.repeat_interleave(times, dim=axis)
    features = _tensor(arrays["img_feat"])
    side = int(len(features) ** 0.5)
    mask = torch.sigmoid(logits) * MASK_SCALE + MASK_SHIFT
    image = model.image_memory(features.T.reshape(1, -1, side, side), mask)[0]
    on_points = torch.sigmoid(_tensor(arrays["pts_mask_logits"])[0, :, :, 0])
    on_voxels = model.on_voxels(on_points * MASK_SCALE + MASK_SHIFT, voxelised)[..., None]
    features = _tensor(arrays["pts_feat"])
    points = model.lidar_memory(features, on_voxels, list(maps), levels[4])[:, 0]
    if float(arrays["object_score_logits"]) <= 0:
        image, points = image + model.absent[0, :, None, None], points + model.absent
    yield "coords_s16", levels[4].cells.to(torch.int16)
    yield "img_mem", image
    yield "pts_mem", points


def _memory_attention(model: Sam4d, arrays: Arrays, case: Case) -> Found:
    for modality in READINGS:
        given = (
            _tensor(arrays[f"{modality}_{part}"])[None]
            for part in ("curr", "curr_pos", "memory", "memory_pos")
        )
        yield f"{modality}_out", model.memory_attention(*given)[0]


# --- whole clips ------------------------------------------------------------------------------------


class Clip:
    """The frames of a recording, seen when they are needed."""

    def __init__(self, model: Sam4d, arrays: Arrays, case: Case) -> None:
        self.model, self._arrays, self._case = model, arrays, case
        self.sight = lru_cache(maxsize=None)(self._look)

    def __len__(self) -> int:
        return len(self._case["frames"])

    def size(self, frame: int) -> tuple[int, int]:
        """Height and width of the recording's picture."""
        height, width, _ = self._arrays[self._case["frames"][frame]["image"]].shape
        return height, width

    def _look(self, frame: int) -> Sight:
        names, side = self._case["frames"][frame], self.model.config.side_px
        height, width = self.size(frame)
        picture = Image.fromarray(self._arrays[names["image"]]).resize((side, side))
        scale = torch.diag(torch.tensor([width / side, height / side, 1.0, 1.0]))
        camera = _camera(self._arrays, scale)
        return Sight(
            {CAMERA: self.model.look_at_picture(normalised(np.asarray(picture)), camera)},
            self.model.look_at_sweep(_tensor(self._arrays[names["points"]])),
            _tensor(self._arrays[names["lidar2world"]]),
        )

    def points(self, frame: int, inputs: Case) -> dict[str, tuple[Tensor, Tensor]]:
        """Prompts as the release's predictor hands them on: whole pixels of its picture."""
        found = {}
        for modality, names in inputs.items():
            where, labels = (_tensor(self._arrays[names[part]])[0] for part in ("coords", "labels"))
            if modality == "img":
                where = model_pixels(where, self.size(frame), self.model.config)
            found[READINGS[modality]] = (where.float(), labels)
        return found

    def masks(self, inputs: Case) -> dict[str, Tensor]:
        side = self.model.config.side_px
        found = {}
        for modality, names in inputs.items():
            mask = _tensor(self._arrays[names["mask"]]).float()
            if modality == "img":
                mask = F.interpolate(
                    mask.reshape(1, 1, *mask.shape[-2:]), size=(side, side), mode="bilinear",
                    antialias=True,
                )[0, 0] >= 0.5  # fmt: skip
            found[READINGS[modality]] = mask.float().reshape(
                mask.shape if modality == "img" else -1
            )
        return found


def _end_to_end(model: Sam4d, arrays: Arrays, case: Case) -> Found:
    clip = Clip(model, arrays, case)
    yield from _run(Tracker(model, clip.sight, len(clip)), clip, case)


def _run(tracker: Tracker, clip: Clip, case: Case) -> Found:
    """A recording's actions, in order."""
    for action in case["actions"]:
        if action["type"] == "propagate":
            steps = tracker.propagate(
                action["start_frame"], steps=action["max_frames"], backwards=action["reverse"]
            )
            for frame, answers in steps:
                roles = action["outputs"].get(str(frame)) or {}
                yield from _clip_arrays(roles, clip, frame, list(answers.values()), direct=False)
            continue
        frame, track = action["frame"], action["object"]
        if action["type"] == "mask":
            tracker.prompt_masks(track, frame, clip.masks(action["inputs"]))
        else:
            tracker.prompt(track, frame, clip.points(frame, action["inputs"]))
        known = [state.answers(frame) for state in tracker.tracks.values()]
        roles = action["outputs"]
        yield from _clip_arrays(roles, clip, frame, known, direct=True)
        (mine,) = [known[list(tracker.tracks).index(track)]]
        yield from _track_arrays({role: [name] for role, name in roles.items() if name}, [mine])


def _clip_arrays(
    roles: Case, clip: Clip, frame: int, answers: list[Answers | None], *, direct: bool
) -> Found:
    """Masks of all tracks at the recording's size. `direct`: from stride 4 (quirk 14)."""
    for modality, reading in READINGS.items():
        name = roles.get(f"video_res_{modality}")
        if name:
            masks = [_at_full_size(known, reading, clip, frame, direct) for known in answers]
            yield name, _with_last_axis(torch.cat(masks)[:, None], modality)
    if not direct:
        yield from _track_arrays(roles, answers)


def _at_full_size(
    known: Answers | None, reading: str, clip: Clip, frame: int, direct: bool
) -> Tensor:
    """[1, height, width] or [1, N]."""
    size, sight = clip.size(frame), clip.sight(frame)
    if known is None:
        assert sight.sweep is not None
        return torch.full((1, len(sight.sweep.points)) if reading == SWEEP else (1, *size), ABSENT)
    if reading == SWEEP:
        return clip.model.high(known[reading], sight, reading)
    return clip.model.full_size(known[reading], sight, reading, size, prompted=direct)


def _track_arrays(roles: Case, answers: list[Answers | None]) -> Found:
    for modality, reading in READINGS.items():
        for place, known in enumerate(answers):
            if known is None:
                continue
            answer = known[reading]
            values = {
                "lowres": _with_last_axis(answer.low[:, None], modality),
                "objscore": answer.object_logit[:, None],
                "objptr": answer.pointer,
            }
            for role, value in values.items():
                names = roles.get(f"{role}_{modality}") or []
                if place < len(names) and names[place]:
                    yield names[place], value


def _memory_conditioning(model: Sam4d, arrays: Arrays, case: Case) -> Found:
    """A clip, with what goes into and comes out of the memory attention in one frame."""
    clip = Clip(model, arrays, case)
    tracker = Tracker(model, clip.sight, len(clip))
    calls: list[tuple[tuple[Tensor, ...], Tensor]] = []
    hook = model.memory_attention.register_forward_hook(
        lambda module, given, out: calls.append((given, out))
    )
    try:
        yield from _run(tracker, clip, case)
    finally:
        hook.remove()
    # One call a reading and followed frame; the frame that is asked for is the last.
    for modality, (given, out) in zip(READINGS, calls[-2:], strict=True):
        current, places, memory, memory_places = (each[0] for each in given)
        yield f"ma_{modality}_curr", current
        yield f"ma_{modality}_curr_pos", places
        yield f"ma_{modality}_memory", memory
        yield f"ma_{modality}_memory_pos", memory_places
        yield f"ma_{modality}_out", out[0]
    (state,) = tracker.tracks.values()
    asked = case["capture"]["frame"]
    pointers = [f for f in {**state.conditioning, **state.followed} if f < asked]
    yield "ma_num_obj_ptr_tokens", torch.tensor(len(pointers))
    for frame in range(asked):
        sweep = clip.sight(frame).sweep
        assert sweep is not None
        yield f"ma_pts_pos_f{frame}", sweep.centres


KINDS: dict[str, Callable[[Sam4d, Arrays, Case], Found]] = {
    "umpe": _umpe,
    "ego_pose": _ego_pose,
    "image_encoder": _image_encoder,
    "lidar_backbone": _lidar_backbone,
    "voxel_to_point": _voxel_to_point,
    "prompt_encoder": _prompt_encoder,
    "mask_decoder": _mask_decoder,
    "memory_encoder": _memory_encoder,
    "memory_attention_raw": _memory_attention,
    "memory_conditioning": _memory_conditioning,
    "end_to_end": _end_to_end,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m inference.sam4d.parity", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    comparisons = []
    try:
        for each in Folder(asked.folder).compare():
            comparisons.append(each)
            verdict = "ok" if each.passes else "ABOVE TOLERANCE"
            print(
                f"{each.case:32} {each.array:36} {each.error:9.1e} {each.tolerance:9.1e} {verdict}"
            )
    except (Mismatch, OSError, KeyError) as error:
        print(f"cannot be compared: {error}", file=sys.stderr)
        return 1
    if asked.json:
        asked.json.write_text(
            json.dumps([asdict(each) | {"passes": each.passes} for each in comparisons], indent=1)
        )
    failed = [each for each in comparisons if not each.passes]
    print(f"{len(comparisons) - len(failed)} passed, {len(failed)} failed")
    return int(bool(failed) or not comparisons)


if __name__ == "__main__":
    sys.exit(main())
