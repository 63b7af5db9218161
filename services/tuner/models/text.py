"""Text: a small network over trained tokens, that reads words where they stand."""

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
from services.tuner.training import Schedule, train

PADDING = 0
DILATIONS = (1, 2, 4, 8)
"""Each convolution looks twice as far; together they see 31 tokens."""
FAR = 1e4


class TextNetwork(nn.Module):
    """Embeddings with positions, dilated convolutions, then a few learned queries that attend to places.

    `tokens` is [N, L] with 0 as padding, L at most `max_tokens`. A bag of the words goes past the convolutions.
    """

    def __init__(
        self, vocabulary: int, max_tokens: int, outputs: int, width: int, queries: int, dropout: Dropout
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=PADDING)
        self.places = nn.Parameter(torch.randn(width, max_tokens) * 0.1)
        with torch.no_grad():
            self.words.weight.mul_(0.3)
        self.convolutions = nn.ModuleList(nn.Conv1d(width, width, 3, padding=d, dilation=d) for d in DILATIONS)
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in DILATIONS)
        self.attention = nn.Conv1d(width, queries, 1)
        self.dropout = dropout
        self.head = nn.Linear(width * (queries + 2), outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        there = (tokens != PADDING).unsqueeze(1).float()
        words = self.words(tokens).transpose(1, 2)
        hidden = self.dropout(words + self.places[:, : tokens.shape[1]]) * there
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            hidden = (hidden + torch.relu(norm(convolution(hidden)))) * there
        bag = words.sum(2) / there.sum(2).clamp(min=1.0)
        focus = torch.softmax(self.attention(hidden) + (there - 1) * FAR, dim=2)
        attended = (hidden @ focus.transpose(1, 2)).flatten(1)
        scores: Tensor = self.head(self.dropout(torch.cat([bag, hidden.amax(2), attended], dim=1)))
        return scores


@dataclass(frozen=True)
class TextLearner:
    """Trains a `TextNetwork` on the view's tokens."""

    epochs: int
    max_tokens: int
    vocabulary: int
    name: str = "text_network"

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """A byte-level BPE of at most `vocabulary` tokens."""
        return {"max_length": self.max_tokens, "vocabulary_size": self.vocabulary}

    def fit(self, run: Run, objective: Objective) -> NetworkModel:
        """Train once."""
        with seeded(run.seed):
            network = TextNetwork(self.vocabulary, self.max_tokens, objective.outputs, 48, 6, Dropout(0.2, run.seed))
        schedule = Schedule(self.epochs, batch_rows=64, learning_rate=5e-3, weight_decay=0.05, patience=5)
        epoch = train(network, run, objective, schedule)
        example = {"tokens": np.ones((2, min(8, self.max_tokens)), dtype=np.int64)}
        return NetworkModel(network, objective, epoch, example, {"tokens": (0, 1)})
