"""Checkpoints: what a file is, which of our tensors it fills, and what does not match.

Read are a released SAM4D file, SAM 2 and 2.1 as Meta publishes them and as the transformers library
keeps them (as a start for the picture's side), and our own safetensors. Nothing is unpickled.

    python -m inference.sam4d.weights FILE
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from inference.sam4d.config import HIERA, Sam4dConfig, as_plain, from_plain, release
from inference.sam4d.model import Sam4d

CONFIG = "sam4d_config"  # its name in the metadata of our own files


class Layout(StrEnum):
    """How a file names its tensors."""

    OURS = "Masklet"
    RELEASE = "SAM4D, as released"
    META = "SAM 2, as Meta publishes it"
    TRANSFORMERS = "SAM 2, as the transformers library keeps it"


class WrongCheckpoint(ValueError):
    """A file that cannot be used; the message says what it looks like and what does not match."""


@dataclass(frozen=True)
class Checkpoint:
    """A file's tensors by our names; `strangers` have no counterpart here.

    config: of the model that they fill; None for SAM 2, which fills a part of any of its size.
    """

    path: Path
    layout: Layout
    tensors: Mapping[str, Tensor]
    strangers: tuple[str, ...]
    config: Sam4dConfig | None

    @property
    def size(self) -> str | None:
        """Which Hiera it has: a name in HIERA, or None."""
        embedding = self.tensors.get("image_encoder.trunk.patch_embed.proj.weight")
        blocks = {
            int(found[1])
            for name in self.tensors
            if (found := re.match(r"image_encoder\.trunk\.blocks\.(\d+)\.", name))
        }
        width = 0 if embedding is None else len(embedding)
        for size, config in HIERA.items():
            if (width, len(blocks)) == (config.width, sum(config.blocks)):
                return size
        return None


@dataclass(frozen=True)
class Fit:
    """How a checkpoint's tensors meet a model's, by our names."""

    filled: tuple[str, ...]
    missing: tuple[str, ...]  # the model has them, the file does not
    misshapen: tuple[str, ...]
    strangers: tuple[str, ...]  # the file has them, the model does not

    def lines(self) -> list[str]:
        said = [f"{len(self.filled)} tensors match"]
        for what, names in (
            ("missing in the file", self.missing),
            ("of another shape", self.misshapen),
            ("unknown to the model", self.strangers),
        ):
            if names:
                shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
                said.append(f"{len(names)} {what}: {shown}")
        return said


# Ours -> the release's, the first prefix that fits.
PREFIXES = (
    ("image_encoder.trunk.", "pure_model.backbone.image.0."),
    ("image_encoder.neck.", "pure_model.backbone.image.1."),
    ("lidar_encoder.", "pure_model.backbone.point.sparse_3d.0."),
    (
        "image_memory.mask_downsampler.",
        "pure_model.fusion.memory_encoder.image.mask_downsampler.encoder.",
    ),
    ("image_memory.fuser.", "pure_model.fusion.memory_encoder.image.fuser.layers."),
    ("image_memory.", "pure_model.fusion.memory_encoder.image."),
    (
        "lidar_memory.mask_downsampler.",
        "pure_model.fusion.memory_encoder.point.mask_downsampler.encoder.",
    ),
    ("lidar_memory.fuser.", "pure_model.fusion.memory_encoder.point.fuser.layers."),
    ("lidar_memory.", "pure_model.fusion.memory_encoder.point."),
    ("memory_attention.", "pure_model.fusion.memory_attention."),
    ("image_prompts.", "pure_model.head.sam.sam_prompt_encoder."),
    ("lidar_prompts.", "pure_model.head.sam.psam_prompt_encoder."),
    ("mask_decoder.", "pure_model.head.sam.sam_mask_decoder."),
    ("pointer_proj.", "pure_model.head.sam.obj_ptr_proj."),
    ("pointer_time.", "pure_model.head.sam.obj_ptr_tpos_proj."),
    ("no_pointer", "pure_model.head.sam.no_obj_ptr"),
    ("places.gaussian", "union_pe_func.pts_pe_layer.positional_encoding_gaussian_matrix"),
    ("places.hidden.", "union_pe_func.union_pe_layer.mlp_embedding.0."),
    ("places.out.", "union_pe_func.union_pe_layer.mlp_embedding.2."),
    ("image_mask_down.", "mask_downsample_img."),
    ("lidar_mask_down.", "mask_downsample_pts."),
    ("frame_embedding", "maskmem_tpos_enc"),
    ("no_memory", "no_mem_embed"),
    ("absent", "no_obj_embed_spatial"),
    ("motion.", "ego_pose_encoder."),
)
# In a released file, without a counterpart here: the first is never used, the second is geometry.
FRUSTUM = "union_pe_func.union_pe_layer.frustum"  # [S/16, S/16, 128, 4]
UNUSED = frozenset({"no_mem_pos_enc", FRUSTUM})
# Meta's names -> ours, the first prefix that fits.
META_PREFIXES = (
    ("image_encoder.", "image_encoder."),
    ("memory_attention.", "memory_attention."),
    ("memory_encoder.mask_downsampler.encoder.", "image_memory.mask_downsampler."),
    ("memory_encoder.fuser.layers.", "image_memory.fuser."),
    ("memory_encoder.", "image_memory."),
    ("sam_prompt_encoder.", "image_prompts."),
    ("sam_mask_decoder.", "mask_decoder."),
    ("obj_ptr_proj.", "pointer_proj."),
    ("obj_ptr_tpos_proj.", "pointer_time."),
    ("no_obj_ptr", "no_pointer"),
    ("mask_downsample.", "image_mask_down."),
    ("maskmem_tpos_enc", "frame_embedding"),
    ("no_mem_embed", "no_memory"),
    ("no_obj_embed_spatial", "absent"),
)
# The transformers library's names -> Meta's: every pattern that fits, in this order. Its perceptrons
# of three layers are `proj_in`, `layers.0`, `proj_out`.
TRANSFORMERS_PATTERNS = (
    (r"^vision_encoder\.neck\.convs\.(\d+)\.", r"image_encoder.neck.convs.\1.conv."),
    (r"^vision_encoder\.backbone\.", "image_encoder.trunk."),
    (r"^prompt_encoder\.", "sam_prompt_encoder."),
    (r"^mask_decoder\.", "sam_mask_decoder."),
    (r"^object_pointer_proj\.", "obj_ptr_proj."),
    (r"^temporal_positional_encoding_projection_layer\.", "obj_ptr_tpos_proj."),
    (r"^no_object_pointer$", "no_obj_ptr"),
    (r"^memory_temporal_positional_encoding$", "maskmem_tpos_enc"),
    (r"^no_memory_embedding$", "no_mem_embed"),
    (r"^no_memory_positional_encoding$", "no_mem_pos_enc"),
    (r"^occlusion_spatial_embedding_parameter$", "no_obj_embed_spatial"),
    (r"^(image_encoder\..*|.*\.transformer\.layers\.\d+)\.mlp\.proj_in\.", r"\1.mlp.layers.0."),
    (r"^(image_encoder\..*|.*\.transformer\.layers\.\d+)\.mlp\.proj_out\.", r"\1.mlp.layers.1."),
    (
        r"^(obj_ptr_proj|.*\.output_hypernetworks_mlps\.\d+|.*_head)\.layers\.0\.",
        r"\1.layers.1.",
    ),
    (
        r"^(obj_ptr_proj|.*\.output_hypernetworks_mlps\.\d+|.*_head)\.proj_in\.",
        r"\1.layers.0.",
    ),
    (
        r"^(obj_ptr_proj|.*\.output_hypernetworks_mlps\.\d+|.*_head)\.proj_out\.",
        r"\1.layers.2.",
    ),
    (r"\.upscale_conv1\.", ".output_upscaling.0."),
    (r"\.upscale_layer_norm\.", ".output_upscaling.1."),
    (r"\.upscale_conv2\.", ".output_upscaling.3."),
    (r"\.mask_embed\.conv1\.", ".mask_downscaling.0."),
    (r"\.mask_embed\.layer_norm1\.", ".mask_downscaling.1."),
    (r"\.mask_embed\.conv2\.", ".mask_downscaling.3."),
    (r"\.mask_embed\.layer_norm2\.", ".mask_downscaling.4."),
    (r"\.mask_embed\.conv3\.", ".mask_downscaling.6."),
    (r"\.memory_fuser\.", ".fuser."),
    (r"\.depthwise_conv\.", ".dwconv."),
    (r"\.pointwise_conv(\d)\.", r".pwconv\1."),
    (r"\.scale$", ".gamma"),
    (r"\.feature_projection\.", ".pix_feat_proj."),
    (r"^memory_encoder\.projection\.", "memory_encoder.out_proj."),
    (r"\.mask_downsampler\.final_conv\.", ".mask_downsampler.encoder.12."),
    (r"\.patch_embed\.projection\.", ".patch_embed.proj."),
    (r"\.o_proj\.", ".out_proj."),
)
# What SAM 2 cannot give: its memories are 64 wide and turn with their places, SAM4D's are 256 wide.
SAM2_MISSHAPEN = frozenset(
    {
        "frame_embedding",
        "absent",
        "pointer_time.weight",
        "pointer_time.bias",
        *(
            f"memory_attention.layers.{layer}.cross_attn_image.{part}_proj.weight"
            for layer in range(4)
            for part in ("k", "v")
        ),
    }
)


# In a SAM 2 file, without a counterpart here: the output layer of its 64 channels, and encodings of
# places that SAM4D replaces.
SAM2S_OWN = re.compile(
    r"^memory_encoder\.out_proj\.|\.pe_layer\.|\.shared_embedding\.|^shared_image_embedding\."
)


def released_name(name: str) -> str:
    """What the release calls one of our tensors. Raises KeyError for what is none."""
    for ours, theirs in PREFIXES:
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    raise KeyError(name)


def read_checkpoint(path: Path) -> Checkpoint:
    """Raises WrongCheckpoint, or OSError."""
    tensors = _tensors(path)
    layout = _layout(path, tensors)
    known: dict[str, Tensor] = {}
    strangers = []
    for name, tensor in _one_by_one(tensors, layout):
        ours = _our_name(name, layout)
        if ours is None:
            strangers.append(name)
        else:
            known[ours] = tensor
    unknown = tuple(sorted(set(strangers) - UNUSED))
    found = Checkpoint(path, layout, known, unknown, None)
    if layout == Layout.OURS:
        return replace(found, config=_saved_config(path))
    if layout == Layout.RELEASE and found.size is not None:
        side_px = 16 * len(tensors[FRUSTUM]) if FRUSTUM in tensors else 768
        return replace(found, config=release(found.size, side_px))
    return found


def fit(model: nn.Module, checkpoint: Checkpoint) -> Fit:
    """How the file's tensors meet the model's; nothing is changed."""
    own = model.state_dict()
    there = set(own) & set(checkpoint.tensors)
    misshapen = {name for name in there if own[name].shape != checkpoint.tensors[name].shape}
    unknown = sorted(set(checkpoint.tensors) - set(own))
    return Fit(
        tuple(sorted(there - misshapen)),
        tuple(sorted(set(own) - set(checkpoint.tensors))),
        tuple(sorted(misshapen)),
        (*unknown, *checkpoint.strangers),
    )


def load(model: nn.Module, checkpoint: Checkpoint) -> Fit:
    """Fill the model; returns what was filled and what was not.

    A SAM4D file must fill it wholly. SAM 2 fills the picture's side: what it cannot give must be
    just what it never has. Raises WrongCheckpoint, and then the model is as it was.
    """
    found = fit(model, checkpoint)
    if checkpoint.layout in (Layout.OURS, Layout.RELEASE):
        is_right = not (found.missing or found.misshapen or found.strangers)
    else:
        is_right = set(found.misshapen) <= SAM2_MISSHAPEN and not (
            {name for name in found.missing if name.startswith("image_encoder.")}
            | {name for name in found.strangers if not SAM2S_OWN.search(name)}
        )
    if not is_right:
        size = f", with a {checkpoint.size} Hiera" if checkpoint.size else ""
        raise WrongCheckpoint(
            f"{checkpoint.path} looks like {checkpoint.layout}{size}, and does not fit this model: "
            + "; ".join(found.lines())
        )
    own = model.state_dict()
    with torch.no_grad():
        for name in found.filled:
            own[name].copy_(checkpoint.tensors[name])
    return found


def load_model(path: Path) -> Sam4d:
    """The model that a SAM4D file holds, released or ours. Raises WrongCheckpoint, or OSError."""
    checkpoint = read_checkpoint(path)
    if checkpoint.config is None:
        raise WrongCheckpoint(
            f"{path} looks like {checkpoint.layout}: it holds the picture's side of a model at most, "
            "from which a SAM4D may start to learn, and answers no clicks by itself"
        )
    model = Sam4d(checkpoint.config)
    load(model, checkpoint)
    return model.eval()


def save(model: Sam4d, path: Path) -> None:
    """Our own layout: safetensors by our names, with the config as JSON beside them."""
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, path, metadata={CONFIG: json.dumps(as_plain(model.config))})


def _saved_config(path: Path) -> Sam4dConfig:
    try:
        with safe_open(path, "pt") as opened:
            metadata = opened.metadata() or {}
        return from_plain(json.loads(metadata[CONFIG]))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise WrongCheckpoint(
            f"{path} has tensors like {Layout.OURS}'s, but does not say of which config they are "
            f"({type(error).__name__}: {error}); save it with inference.sam4d.weights.save"
        ) from error


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        held = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a file of nonsense may break the reader anywhere
        # Not PyTorch's own words: they advise to unpickle it.
        raise WrongCheckpoint(
            f"{path} cannot be read as weights alone: it is no file of tensors by PyTorch or "
            f"safetensors, or holds code, which is never run ({type(error).__name__})"
        ) from error
    for wrapper in ("model", "state_dict"):
        if isinstance(held, dict) and isinstance(held.get(wrapper), dict):
            held = held[wrapper]
    if not isinstance(held, dict) or not held:
        raise WrongCheckpoint(f"{path} holds no tensors by name, but a {type(held).__name__}")
    odd = [str(name) for name, value in held.items() if not isinstance(value, Tensor)]
    if odd:
        raise WrongCheckpoint(f"{path} holds things that are no tensors: {', '.join(odd[:6])}")
    return held


def _layout(path: Path, tensors: Mapping[str, Tensor]) -> Layout:
    beginnings = {
        "pure_model.": Layout.RELEASE,
        "lidar_encoder.": Layout.OURS,
        "vision_encoder.backbone.": Layout.TRANSFORMERS,
        "image_encoder.trunk.": Layout.META,
    }
    for beginning, layout in beginnings.items():
        if any(name.startswith(beginning) for name in tensors):
            return layout
    names = ", ".join(list(tensors)[:4])
    raise WrongCheckpoint(
        f"{path} is neither a SAM4D nor a SAM 2 checkpoint: its tensors are called {names}, ..."
    )


def _one_by_one(tensors: Mapping[str, Tensor], layout: Layout) -> list[tuple[str, Tensor]]:
    """The transformers library's names as Meta's; it keeps the four kinds of points in one tensor."""
    if layout != Layout.TRANSFORMERS:
        return list(tensors.items())
    pairs: list[tuple[str, Tensor]] = []
    for name, tensor in tensors.items():
        if name == "prompt_encoder.point_embed.weight":
            pairs += [
                (f"sam_prompt_encoder.point_embeddings.{kind}.weight", row[None])
                for kind, row in enumerate(tensor)
            ]
        else:
            pairs.append((_metas_name(name), tensor))
    return pairs


def _our_name(name: str, layout: Layout) -> str | None:
    """None for what has no counterpart here."""
    if layout == Layout.OURS:
        return name
    prefixes: Sequence[tuple[str, str]] = META_PREFIXES
    if layout == Layout.RELEASE:
        prefixes = [(theirs, ours) for ours, theirs in PREFIXES]
    elif SAM2S_OWN.search(name):
        return None
    for theirs, ours in prefixes:
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return None


def _metas_name(name: str) -> str:
    for pattern, replacement in TRANSFORMERS_PATTERNS:
        name = re.sub(pattern, replacement, name)
    place = re.match(
        r"^(memory_encoder\.mask_downsampler)\.layers\.(\d+)\.(conv|layer_norm)\.(.+)$", name
    )
    if place:
        index = 3 * int(place[2]) + (place[3] == "layer_norm")
        return f"{place[1]}.encoder.{index}.{place[4]}"
    return name.replace("layer_norm", "norm")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m inference.sam4d.weights", description=__doc__)
    parser.add_argument("file", type=Path)
    asked = parser.parse_args(arguments)
    try:
        checkpoint = read_checkpoint(asked.file)
        config = checkpoint.config
        if config is None:
            if checkpoint.size is None:
                raise WrongCheckpoint(f"{asked.file} has a Hiera of no known size")
            config = release(checkpoint.size)
        size = checkpoint.size or "of its own size"
        print(f"{asked.file}: {checkpoint.layout}; image encoder {size}, {config.width} channels")
        with torch.device("meta"):
            model = Sam4d(config)
        for line in fit(model, checkpoint).lines():
            print(f"  {line}")
    except (WrongCheckpoint, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
