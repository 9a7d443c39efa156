"""What is wrong with a batch of masks, as numbers to descend on.

B objects, M cells. Shares are gold: how much of a cell the object covers, 0 ... 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SEGMENTS, OVERLAP, ESTIMATES = 3.0, 1.0, 0.2  # weights of the parts


def mask_loss(
    logits: Tensor, shares: Tensor, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Cross-entropy, weighted towards what is wrong (focal), and dice where the object is there.

    logits, shares: [B, ...].  weights: [B, ...], 0 where a cell does not count.
    Returns the loss [B] and the masks' IoU [B].
    """
    logits, shares = logits.float().flatten(1), shares.flatten(1)
    weights = torch.ones_like(shares) if weights is None else weights.flatten(1)
    errors = F.binary_cross_entropy_with_logits(logits, shares, reduction="none")
    likely = logits.sigmoid()
    wrong = (likely - shares).abs()
    focal = (errors * (0.5 + 4 * wrong.square()) * weights).sum(1) / weights.sum(1).clamp(min=1)
    both = (likely * shares * weights).sum(1)
    sizes = ((likely + shares) * weights).sum(1)
    dice = 1 - (2 * both + 1) / (sizes + 1)
    there = is_there(shares, weights)
    return SEGMENTS * focal + OVERLAP * dice * there, overlap(logits.detach(), shares, weights)


def is_there(shares: Tensor, weights: Tensor | None = None) -> Tensor:
    """[B] 1 where the object covers at least half of some cell that counts."""
    covered = shares.flatten(1) >= 0.5
    if weights is not None:
        covered &= weights.flatten(1) > 0
    return covered.any(1).float()


def overlap(logits: Tensor, shares: Tensor, weights: Tensor | None = None) -> Tensor:
    """IoU [B]."""
    drawn, there = logits.flatten(1) > 0, shares.flatten(1) >= 0.5
    if weights is not None:
        counts = weights.flatten(1) > 0
        drawn, there = drawn & counts, there & counts
    return (drawn & there).sum(1) / (drawn | there).sum(1).clamp(min=1)


def estimate_loss(iou_logits: Tensor, seen_logits: Tensor, ious: Tensor, there: Tensor) -> Tensor:
    """[B]: how far the estimated IoU and presence are off."""
    seen = F.binary_cross_entropy_with_logits(seen_logits, there, reduction="none")
    return iou_loss(iou_logits, ious, there) + ESTIMATES * seen


def iou_loss(iou_logits: Tensor, ious: Tensor, there: Tensor) -> Tensor:
    """[B]: how far an estimated IoU is off."""
    errors = F.binary_cross_entropy_with_logits(iou_logits, ious, reduction="none")
    return ESTIMATES * errors * there
