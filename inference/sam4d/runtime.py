"""How a model is run: on which device, and in which precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from inference.sam4d.model import Sam4d

# Parts that are computed in float32 whatever the precision (see layers.exactly).
EXACT = ("places.", "motion.", "lidar_encoder.")


@dataclass(frozen=True)
class Runtime:
    """precision: of the dense layers. Positions and sparse convolutions are float32 always."""

    device: torch.device
    precision: torch.dtype = torch.float32

    def prepare(self, model: Sam4d) -> Sam4d:
        """The model for inference only, its dense weights rounded once instead of at every call."""
        model.eval().requires_grad_(False).to(self.device)
        for name, layer in model.named_modules():
            dense = isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
            if dense and not name.startswith(EXACT):
                layer.to(self.precision)
        return model

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Around every call of the model."""
        rounds = self.precision != torch.float32
        with (
            torch.inference_mode(),
            torch.autocast(
                self.device.type, dtype=self.precision if rounds else None, enabled=rounds
            ),
        ):
            yield


def best_runtime() -> Runtime:
    """A GPU where there is one; half precision where the hardware multiplies faster in it.

    bfloat16 before float16: logits of an absent object (-1024) and metres squared fit its range.
    """
    if torch.cuda.is_available():
        has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return Runtime(torch.device("cuda"), torch.bfloat16 if has_bfloat16 else torch.float16)
    return Runtime(torch.device("cpu"), torch.bfloat16 if _cpu_has_bfloat16() else torch.float32)


def _cpu_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself; without, it would be slower than float32."""
    tell = getattr(torch.cpu, "get_capabilities", None)  # older versions cannot
    able = tell() if tell else {}
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
