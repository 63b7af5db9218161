"""Images: a small residual network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from services.tuner.learner import Run
from services.tuner.models.network import NetworkModel
from services.tuner.objective import Objective
from services.tuner.randomness import Dropout, seeded
from services.tuner.training import Augment, Schedule, train

LARGE = 24
"""From this side length on, the first convolution halves the picture."""


class Block(nn.Module):
    """Two convolutions around which the input passes, resized where the shape changes."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)
        same = stride == 1 and channels == width
        self.passing: nn.Module = nn.Identity() if same else nn.Conv2d(channels, width, 1, stride, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        inner = torch.relu(self.first_norm(self.first(pixels)))
        return torch.relu(self.passing(pixels) + self.second_norm(self.second(inner)))


class ImageNetwork(nn.Module):
    """A stem and three residual stages, each halving the picture; their means and maxima are read."""

    def __init__(self, channels: int, side: int, outputs: int, width: int, dropout: Dropout) -> None:
        super().__init__()
        stride = 2 if side >= LARGE else 1
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.stages = nn.Sequential(Block(width, width, 1), Block(width, 2 * width, 2), Block(2 * width, 4 * width, 2))
        self.dropout = dropout
        self.head = nn.Linear(8 * width, outputs)

    def forward(self, pixels: Tensor) -> Tensor:
        maps = self.stages(self.stem(pixels))
        scores: Tensor = self.head(self.dropout(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)))
        return scores


@dataclass(frozen=True)
class ImageLearner:
    """Trains an `ImageNetwork` on the view's pixels."""

    epochs: int
    max_side: int
    augment: bool
    name: str = "image_network"

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """Pictures in the training pictures' median size, if that is not too large."""
        return {"max_side": self.max_side}

    def fit(self, run: Run, objective: Objective) -> NetworkModel:
        """Train once."""
        pixels = run.train.feed["pixels"]
        _, channels, height, width = pixels.shape
        with seeded(run.seed):
            network = ImageNetwork(channels, min(height, width), objective.outputs, 24, Dropout(0.2, run.seed))
        schedule = Schedule(self.epochs, batch_rows=64, learning_rate=4e-3, weight_decay=0.05, patience=6)
        epoch = train(network, run, objective, schedule, shifted(max(1, height // 12)) if self.augment else None)
        return NetworkModel(
            network,
            objective,
            epoch,
            {"pixels": np.zeros((2, channels, height, width), dtype=np.float32)},
            {"pixels": (0,)},
        )


def shifted(most: int) -> Augment:
    """Move each picture by up to `most` pixels in either direction, its border repeated."""

    def augment(batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        pixels = batch["pixels"]
        rows, _, height, width = pixels.shape
        padded = nn.functional.pad(pixels, (most, most, most, most), mode="replicate")
        down, right = torch.randint(0, 2 * most + 1, (2, rows), generator=generator)
        ys = (down[:, None] + torch.arange(height))[:, None, :, None]
        xs = (right[:, None] + torch.arange(width))[:, None, None, :]
        channels = torch.arange(pixels.shape[1])[None, :, None, None]
        return {"pixels": padded[torch.arange(rows)[:, None, None, None], channels, ys, xs]}

    return augment
