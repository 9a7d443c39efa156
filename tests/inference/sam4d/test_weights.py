"""Checkpoints of four layouts, and what is said of those that do not fit."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from inference.sam4d import weights  # noqa: E402
from inference.sam4d.config import (  # noqa: E402
    HIERA,
    OURS,
    ImageEncoderConfig,
    LidarEncoderConfig,
    Sam4dConfig,
    release,
)
from inference.sam4d.model import Sam4d  # noqa: E402
from inference.sam4d.weights import (  # noqa: E402
    UNUSED,
    Layout,
    WrongCheckpoint,
    load,
    load_model,
    read_checkpoint,
    released_name,
)
from tests.inference.sam4d.rig import small_model  # noqa: E402

# Names of the transformers library and of Meta for the same tensor.
SAME = {
    "vision_encoder.backbone.pos_embed": "image_encoder.trunk.pos_embed",
    "vision_encoder.backbone.patch_embed.projection.bias": "image_encoder.trunk.patch_embed.proj.bias",
    "vision_encoder.backbone.blocks.3.layer_norm1.weight": "image_encoder.trunk.blocks.3.norm1.weight",
    "vision_encoder.backbone.blocks.3.mlp.proj_in.bias": "image_encoder.trunk.blocks.3.mlp.layers.0.bias",
    "vision_encoder.backbone.blocks.3.mlp.proj_out.bias": "image_encoder.trunk.blocks.3.mlp.layers.1.bias",
    "vision_encoder.backbone.blocks.3.proj.bias": "image_encoder.trunk.blocks.3.proj.bias",
    "vision_encoder.neck.convs.2.weight": "image_encoder.neck.convs.2.conv.weight",
    "memory_attention.layer_norm.weight": "memory_attention.norm.weight",
    "memory_attention.layers.1.self_attn.o_proj.bias": "memory_attention.layers.1.self_attn.out_proj.bias",
    "memory_encoder.mask_downsampler.layers.2.conv.bias": "memory_encoder.mask_downsampler.encoder.6.bias",
    "memory_encoder.mask_downsampler.layers.2.layer_norm.bias": "memory_encoder.mask_downsampler.encoder.7.bias",
    "memory_encoder.mask_downsampler.final_conv.bias": "memory_encoder.mask_downsampler.encoder.12.bias",
    "memory_encoder.memory_fuser.layers.1.scale": "memory_encoder.fuser.layers.1.gamma",
    "memory_encoder.memory_fuser.layers.1.pointwise_conv2.bias": "memory_encoder.fuser.layers.1.pwconv2.bias",
    "memory_encoder.feature_projection.bias": "memory_encoder.pix_feat_proj.bias",
    "prompt_encoder.mask_embed.layer_norm2.bias": "sam_prompt_encoder.mask_downscaling.4.bias",
    "prompt_encoder.mask_embed.conv3.bias": "sam_prompt_encoder.mask_downscaling.6.bias",
    "mask_decoder.transformer.layers.0.mlp.proj_out.bias": "sam_mask_decoder.transformer.layers.0.mlp.layers.1.bias",
    "mask_decoder.transformer.layer_norm_final_attn.bias": "sam_mask_decoder.transformer.norm_final_attn.bias",
    "mask_decoder.upscale_layer_norm.bias": "sam_mask_decoder.output_upscaling.1.bias",
    "mask_decoder.output_hypernetworks_mlps.3.proj_in.bias": "sam_mask_decoder.output_hypernetworks_mlps.3.layers.0.bias",
    "mask_decoder.output_hypernetworks_mlps.3.layers.0.bias": "sam_mask_decoder.output_hypernetworks_mlps.3.layers.1.bias",
    "mask_decoder.iou_prediction_head.proj_out.bias": "sam_mask_decoder.iou_prediction_head.layers.2.bias",
    "object_pointer_proj.layers.0.bias": "obj_ptr_proj.layers.1.bias",
    "temporal_positional_encoding_projection_layer.bias": "obj_ptr_tpos_proj.bias",
    "no_object_pointer": "no_obj_ptr",
    "occlusion_spatial_embedding_parameter": "no_obj_embed_spatial",
    "mask_downsample.bias": "mask_downsample.bias",
}  # fmt: skip


def released_file(model, path, **changed):
    tensors = {released_name(name): tensor for name, tensor in model.state_dict().items()}
    tensors |= {name: torch.zeros(1) for name in UNUSED} | changed
    torch.save({"model": {name: t for name, t in tensors.items() if t is not None}}, path)
    return path


def filled(value: float, *, release: bool = False) -> Sam4d:
    model = small_model(release=release)
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(value)
    return model


def test_ours_comes_back_as_it_was_kept(tmp_path):
    kept = small_model()
    weights.save(kept, tmp_path / "own.safetensors")
    model = filled(0.5)

    checkpoint = read_checkpoint(tmp_path / "own.safetensors")
    load(model, checkpoint)

    assert (checkpoint.layout, checkpoint.config) == (Layout.OURS, kept.config)
    for name, tensor in kept.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)


def test_our_own_file_says_which_model_it_is(tmp_path):
    torch.manual_seed(3)
    own = Sam4d(
        Sam4dConfig(
            ImageEncoderConfig(16, 1, (1, 1, 1, 1), (8, 4, 4, 4), (2,)),
            side_px=96,
            lidar=LidarEncoderConfig(encoder_widths=(8, 8, 8, 16, 32), decoder_widths=(32, 16)),
            width=32,
            hidden=64,
            quirks=replace(OURS, one_frequency=True),
        )
    )
    weights.save(own, tmp_path / "own.safetensors")

    again = load_model(tmp_path / "own.safetensors")

    assert again.config == own.config
    assert all(torch.equal(again.state_dict()[k], v) for k, v in own.state_dict().items())
    assert weights.main([str(tmp_path / "own.safetensors")]) == 0


def test_tensors_of_ours_without_their_config_are_refused(tmp_path):
    save_file(small_model().state_dict(), tmp_path / "bare.safetensors")

    with pytest.raises(WrongCheckpoint, match="does not say of which config"):
        read_checkpoint(tmp_path / "bare.safetensors")


def test_sam_2_alone_is_no_predictor(tmp_path):
    torch.save({"image_encoder.trunk.pos_embed": torch.zeros(1)}, tmp_path / "2.pt")

    with pytest.raises(WrongCheckpoint, match="answers no clicks by itself"):
        load_model(tmp_path / "2.pt")


def test_a_released_file_knows_the_side_of_its_pictures(tmp_path):
    frustum = {weights.FRUSTUM: torch.zeros(4, 4, 128, 4)}
    path = released_file(small_model(release=True), tmp_path / "sam4d.pt", **frustum)

    assert read_checkpoint(path).config == release("tiny", side_px=64)


def test_a_released_file_fills_the_whole_model(tmp_path):
    kept, model = small_model(release=True), filled(0.5, release=True)

    checkpoint = read_checkpoint(released_file(kept, tmp_path / "sam4d.pt"))
    found = load(model, checkpoint)

    assert checkpoint.layout == Layout.RELEASE
    assert found.missing == found.misshapen == found.strangers == ()
    assert torch.equal(model.motion.d_max, kept.motion.d_max)


def test_a_file_that_lacks_has_and_bends_tensors_is_refused_with_their_names(tmp_path):
    model = filled(0.5, release=True)
    path = released_file(
        small_model(release=True),
        tmp_path / "odd.pt",
        no_mem_embed=None,
        maskmem_tpos_enc=torch.zeros(7, 1, 1, 64),
        surprise=torch.zeros(1),
    )

    with pytest.raises(WrongCheckpoint) as refused:
        load(model, read_checkpoint(path))

    said = str(refused.value)
    assert "looks like SAM4D, as released, with a tiny Hiera" in said
    assert "1 missing in the file: no_memory" in said
    assert "1 of another shape: frame_embedding" in said
    assert "1 unknown to the model: surprise" in said
    assert bool((model.no_pointer == 0.5).all())  # as it was


@pytest.mark.parametrize("size", list(HIERA))
def test_sam_2_1_fills_the_pictures_side(size, shared_data, tmp_path):
    listed = shared_data.parent / "reference/sam4d" / f"state_dict_sam2.1_hiera_{size}.json"
    entries = json.loads(listed.read_text())["entries"]
    torch.save(
        {"model": {row["name"]: torch.ones(row["shape"]) for row in entries}}, tmp_path / "2.pt"
    )
    model = Sam4d(release(size))

    checkpoint = read_checkpoint(tmp_path / "2.pt")
    found = load(model, checkpoint)

    assert (checkpoint.layout, checkpoint.size) == (Layout.META, size)
    assert len(found.misshapen) == 12
    assert len(found.strangers) == 3
    assert not any(name.startswith(("image_", "mask_decoder.conv_s0.")) for name in found.missing)
    assert all(bool((weight == 1).all()) for weight in model.image_encoder.parameters())


def test_the_transformers_librarys_names_are_metas_by_other_words(tmp_path):
    tensors = {name: torch.full((1,), float(place)) for place, name in enumerate(SAME)}
    tensors["prompt_encoder.point_embed.weight"] = torch.arange(4.0)[:, None].expand(4, 256).clone()
    torch.save(tensors, tmp_path / "hf.bin")
    torch.save({name: tensors[hf] for hf, name in SAME.items()}, tmp_path / "meta.pt")

    theirs, metas = read_checkpoint(tmp_path / "hf.bin"), read_checkpoint(tmp_path / "meta.pt")

    assert theirs.layout == Layout.TRANSFORMERS
    assert theirs.strangers == ()
    for name, tensor in metas.tensors.items():
        assert torch.equal(theirs.tensors[name], tensor), name
    assert float(theirs.tensors["image_prompts.point_embeddings.3.weight"].max()) == 3


class Evil:
    def __reduce__(self):
        return print, ("code was run",)


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ({"model": {"pure_model.x": Evil()}}, "cannot be read as weights alone"),
        ({"model": {"pure_model.x": 3}}, "no tensors: pure_model.x"),
        ([1, 2], "but a list"),
        ({"conv1.weight": torch.zeros(1)}, "neither a SAM4D nor a SAM 2.*conv1.weight"),
    ],
)
def test_what_is_no_checkpoint_of_ours_is_refused_and_runs_no_code(held, why, tmp_path, capsys):
    torch.save(held, tmp_path / "bad.pt")

    with pytest.raises(WrongCheckpoint, match=why):
        read_checkpoint(tmp_path / "bad.pt")

    assert "code was run" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["short.pt", "short.safetensors"])
def test_a_file_of_nonsense_is_refused(name, tmp_path, capsys):
    (tmp_path / name).write_bytes(b"hello")

    assert weights.main([str(tmp_path / name)]) == 1
    assert "cannot be read as weights alone" in capsys.readouterr().err


def test_the_command_says_what_a_file_is(tmp_path, capsys):
    path = released_file(small_model(release=True), tmp_path / "sam4d.pt")

    assert weights.main([str(path)]) == 0
    said = capsys.readouterr().out
    assert "SAM4D, as released; image encoder tiny" in said
    assert "tensors match" in said
    assert "missing" not in said
