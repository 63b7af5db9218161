"""What a model is trained for: the loss, the meaning of its outputs, and the score that is compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from quorate.ensemble import FloatArray, Task

TINY = 1e-7


@dataclass(frozen=True)
class Objective:
    """The task, and how a network's raw scores [N, outputs] become what the member answers.

    A regression's target is learned standardised: its value is `scores * scale + shift`.
    """

    task: Task
    outputs: int
    shift: float = 0.0
    scale: float = 1.0

    def loss(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy, or mean squared error of the standardised value."""
        if self.task is Task.CLASSIFICATION:
            return nn.functional.cross_entropy(scores, targets)
        return nn.functional.mse_loss(scores[:, 0], (targets - self.shift) / self.scale)

    def answer(self, scores: Tensor) -> Tensor:
        """Probabilities [N, C], or values [N, 1]."""
        if self.task is Task.CLASSIFICATION:
            return torch.softmax(scores, dim=1)
        return scores * self.scale + self.shift

    def score(self, outputs: FloatArray, targets: NDArray[Any]) -> float:
        """Log loss, or mean squared error: lower is better."""
        if self.task is Task.CLASSIFICATION:
            chosen = outputs[np.arange(len(targets)), targets]
            return float(-np.log(np.clip(chosen, TINY, 1.0)).mean())
        return float(np.square(outputs[:, 0] - targets).mean())

    @property
    def output_name(self) -> str:
        """The name of the ONNX output."""
        return "probabilities" if self.task is Task.CLASSIFICATION else "value"


def objective_of(task: Task, labels: tuple[str, ...], targets: NDArray[Any]) -> Objective:
    """The objective for these training targets: class indices, or numbers."""
    if task is Task.CLASSIFICATION:
        return Objective(task, len(labels))
    return Objective(task, 1, float(targets.mean()), float(targets.std()) or 1.0)
