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
        """The model for inference only: dense weights rounded once instead of at every call, and
        memories of tracks kept in 16 bits.
        """
        model.memory_dtype = torch.bfloat16
        model.eval().requires_grad_(False).to(self.device)
        if self.device.type == "cpu":
            multiply_by_onednn()
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


def multiply_by_onednn() -> bool:
    """Let oneDNN multiply float32 matrices in this process, where that stays float32.

    PyTorch takes MKL, which on AMD leaves half of AVX-512 unused: 53 GMAC/s of one core where
    oneDNN reaches 126. It is asked for as "bf16", which a processor with AMX would take at its word;
    so the error decides. Returns whether it is done.
    """
    backend = getattr(torch.backends.mkldnn, "matmul", None)
    if backend is None or not hasattr(backend, "fp32_precision"):
        return False
    before = backend.fp32_precision
    backend.fp32_precision = "bf16"
    one, other = torch.linspace(-1, 1, 1 << 19).reshape(2, 512, 512).unbind()
    exact = one.double() @ other.double().T
    error = float(((one @ other.T).double() - exact).abs().max() / exact.abs().max())
    if error > 1e-5:
        backend.fp32_precision = before
        return False
    return True
