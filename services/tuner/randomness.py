"""Chance that belongs to one network, so that networks trained side by side do not change one another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_INITIALISING = threading.Lock()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Make layers inside this block with weights that the seed decides; one thread at a time."""
    with _INITIALISING:
        torch.manual_seed(seed)
        yield


class Dropout(nn.Module):
    """Drop that share of the values in training, decided by a generator of its own."""

    def __init__(self, share: float, seed: int) -> None:
        super().__init__()
        self.share, self.seed = share, seed
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, values: Tensor) -> Tensor:
        if not self.training:
            return values
        kept = torch.empty_like(values).bernoulli_(1 - self.share, generator=self.generator)
        return values * kept / (1 - self.share)

    def __deepcopy__(self, _memo: dict[int, Any]) -> Dropout:
        return Dropout(self.share, self.seed)
