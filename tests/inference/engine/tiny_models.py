"""SAM 2 and Grounding DINO with the real code and a few thousand random weights each, in a folder."""

from __future__ import annotations

from pathlib import Path

SIDE = 128
CLASSES = ("car", "traffic sign", "Person_on_foot")


def save_sam2(folder: Path) -> Path:
    import torch
    from transformers import Sam2VideoConfig, Sam2VideoModel

    torch.manual_seed(3)
    backbone = {
        "model_type": "sam2_hiera_det_model", "hidden_size": 16, "num_attention_heads": 1,
        "image_size": [SIDE, SIDE], "blocks_per_stage": [1, 2, 2, 2],
        "embed_dim_per_stage": [16, 32, 64, 128], "num_attention_heads_per_stage": [1, 2, 4, 8],
        "window_size_per_stage": [8, 4, 4, 2], "global_attention_blocks": [4],
    }  # fmt: skip
    config = Sam2VideoConfig(
        vision_config={
            "backbone_config": backbone, "backbone_channel_list": [128, 64, 32, 16],
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]], "fpn_hidden_size": 128,
        },
        prompt_encoder_config={
            "hidden_size": 128, "image_size": SIDE, "patch_size": 16, "mask_input_channels": 4,
        },
        mask_decoder_config={
            "hidden_size": 128, "mlp_dim": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
            "iou_head_hidden_dim": 64,
        },
        image_size=SIDE, memory_attention_hidden_size=128,
        memory_attention_feed_forward_hidden_size=64, memory_attention_num_layers=1,
        memory_attention_rope_feat_sizes=[8, 8], memory_encoder_hidden_size=128,
        memory_encoder_output_channels=64, mask_downsampler_embed_dim=128,
        memory_fuser_embed_dim=128, memory_fuser_intermediate_dim=64, memory_fuser_num_layers=1,
    )  # fmt: skip
    Sam2VideoModel(config).save_pretrained(folder / "sam2")
    return folder


def save_grounding_dino(folder: Path) -> Path:
    import torch
    from transformers import BertTokenizer, GroundingDinoConfig, GroundingDinoForObjectDetection

    place = folder / "grounding-dino"
    place.mkdir(parents=True, exist_ok=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "car", "traffic", "sign", "person",
             "on", "foot"]  # fmt: skip
    (place / "vocab.txt").write_text("\n".join(words) + "\n")
    BertTokenizer(str(place / "vocab.txt")).save_pretrained(place)
    torch.manual_seed(4)
    config = GroundingDinoConfig(
        backbone_config={
            "model_type": "swin", "image_size": 64, "embed_dim": 16, "depths": [1, 1, 1, 1],
            "num_heads": [1, 2, 2, 4], "window_size": 4, "out_features": ["stage2", "stage3", "stage4"],
        },
        text_config={
            "model_type": "bert", "vocab_size": len(words), "hidden_size": 32,
            "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
        },
        d_model=32, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, num_queries=12,
        max_text_len=12, disable_custom_kernels=True,
    )  # fmt: skip
    GroundingDinoForObjectDetection(config).save_pretrained(place)
    return folder
