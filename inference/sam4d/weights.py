"""Names of the tensors in the released checkpoints, and ours.

A released SAM4D file is a dict with the key "model"; its tensors are named after the authors'
modules. Ours are named after this code's; the two differ by prefixes only.
"""

from __future__ import annotations

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
UNUSED = frozenset({"no_mem_pos_enc", "union_pe_func.union_pe_layer.frustum"})


def released_name(name: str) -> str:
    """What the release calls one of our tensors. Raises KeyError for what is none."""
    for ours, theirs in PREFIXES:
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    raise KeyError(name)
