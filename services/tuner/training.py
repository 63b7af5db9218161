"""The one training loop that every network goes through."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from quorate.ensemble import FloatArray
from services.tuner.learner import Examples, Feed, Run
from services.tuner.objective import Objective

Augment = Callable[[dict[str, Tensor], torch.Generator], dict[str, Tensor]]
Network = nn.Module
"""Takes the feed's tensors by name, returns scores [N, outputs]."""

PREDICT_ROWS = 512
MIN_BATCH_ROWS = 8
MIN_BATCHES = 12


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn. The rate rises over `warmup` of the epochs, then falls as a cosine."""

    epochs: int
    batch_rows: int
    learning_rate: float
    weight_decay: float = 0.01
    warmup: float = 0.15
    patience: int = 8
    """Epochs without a better held-out score after which training stops."""
    average: float = 0.9
    """Decay per step of the running average of the weights, which is what is kept; 0 keeps the last weights."""

    def rate(self, progress: float) -> float:
        """The learning rate after this share of all epochs."""
        if progress < self.warmup:
            return self.learning_rate * (0.05 + 0.95 * progress / self.warmup)
        rest = (progress - self.warmup) / (1 - self.warmup)
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * rest)))


@dataclass
class Best:
    """The best epoch so far, with its weights."""

    epoch: int
    score: float
    weights: dict[str, Tensor]


def train(network: Network, run: Run, objective: Objective, schedule: Schedule, augment: Augment | None = None) -> int:
    """Train `network` in place and return the epoch (from 1) whose weights it now holds.

    With held-out rows the best epoch by their score is restored; without, the last of `run.rounds` epochs
    is kept, at the same learning rates that the early-stopped runs went through.
    """
    # Both hold for this thread alone. Settled networks fill with denormal numbers, a hundred times slower than others.
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    average = copy.deepcopy(network).eval()
    optimizer = torch.optim.AdamW(network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay)
    generator = torch.Generator().manual_seed(run.seed)
    last = min(run.rounds or schedule.epochs, schedule.epochs)
    best: Best | None = None
    for epoch in range(1, last + 1):
        _train_epoch(network, average, optimizer, run.train, objective, schedule, epoch, generator, augment)
        run.progress(epoch / last)
        if run.held_out is None:
            continue
        score = objective.score(predict(average, objective, run.held_out.feed), run.held_out.targets)
        if best is None or score < best.score:
            best = Best(epoch, score, copy.deepcopy(average.state_dict()))
        elif epoch - best.epoch >= schedule.patience:
            break
    network.load_state_dict(best.weights if best else average.state_dict())
    network.eval()
    return best.epoch if best else last


def predict(network: Network, objective: Objective, feed: Feed) -> FloatArray:
    """The network's answers [N, outputs] for a whole feed, some rows at a time."""
    network.eval()
    rows = len(next(iter(feed.values())))
    parts = []
    with torch.inference_mode():
        for start in range(0, rows, PREDICT_ROWS):
            batch = {name: torch.from_numpy(array[start : start + PREDICT_ROWS]) for name, array in feed.items()}
            parts.append(objective.answer(network(**batch)).numpy())
    return np.concatenate(parts) if parts else np.empty((0, objective.outputs), dtype=np.float32)


def _train_epoch(
    network: Network,
    average: Network,
    optimizer: torch.optim.Optimizer,
    train: Examples,
    objective: Objective,
    schedule: Schedule,
    epoch: int,
    generator: torch.Generator,
    augment: Augment | None,
) -> None:
    network.train()
    batches = list(_batches(len(train), schedule.batch_rows, generator))
    targets = torch.from_numpy(train.targets)
    feed = {name: torch.from_numpy(array) for name, array in train.feed.items()}
    for step, rows in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate((epoch - 1 + step / len(batches)) / schedule.epochs)
        batch = {name: tensor[rows] for name, tensor in feed.items()}
        scores = network(**(augment(batch, generator) if augment else batch))
        optimizer.zero_grad(set_to_none=True)
        objective.loss(scores, targets[rows]).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        _follow(average, network, schedule.average if epoch > 1 else 0.0)


def _batches(rows: int, batch_rows: int, generator: torch.Generator) -> Iterator[Tensor]:
    """A shuffled epoch in batches of about that size; of smaller ones where there would be few of them."""
    order = torch.randperm(rows, generator=generator)
    count = max(1, round(rows / min(batch_rows, max(MIN_BATCH_ROWS, rows // MIN_BATCHES))))
    yield from torch.tensor_split(order, count)


@torch.no_grad()
def _follow(average: Network, network: Network, decay: float) -> None:
    """Move the averaged weights towards the network's; counters and running statistics likewise."""
    for mean, value in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)
