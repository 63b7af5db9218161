"""Table rows: gradient boosting, or a network; the tuner keeps the one with the better out-of-fold score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
from torch import Tensor, nn

from quorate.ensemble import FloatArray, Task
from services.tuner.learner import Examples, Feed, Run
from services.tuner.models.boosting_onnx import boosting_to_onnx
from services.tuner.models.network import NetworkModel
from services.tuner.objective import Objective
from services.tuner.randomness import Dropout, seeded
from services.tuner.training import Schedule, train


@dataclass(frozen=True)
class BoostedModel:
    """Gradient-boosted trees after training."""

    booster: lightgbm.Booster
    objective: Objective
    rounds: int

    def predict(self, feed: Feed) -> FloatArray:
        raw = np.asarray(self.booster.predict(feed["features"], num_iteration=self.rounds), dtype=np.float32)
        if self.objective.task is Task.REGRESSION:
            return raw[:, None]
        return raw if raw.ndim == 2 else np.stack([1 - raw, raw], axis=1)

    def to_onnx(self) -> bytes:
        return boosting_to_onnx(self.booster, self.objective, self.rounds)


@dataclass(frozen=True)
class BoostingLearner:
    """Trains LightGBM on the view's features; a missing number stays NaN, and has its own branch."""

    rounds: int
    learning_rate: float = 0.06
    name: str = "gradient_boosting"

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """One feature a column, missing cells as NaN."""
        return {"encoding": "codes"}

    def fit(self, run: Run, objective: Objective) -> BoostedModel:
        """Train once."""
        rounds = run.rounds or self.rounds
        callbacks: list[Any] = [_reporting(run, rounds)]
        valid = []
        train_set = _dataset(run.train)
        if run.held_out is not None:
            callbacks.append(lightgbm.early_stopping(40, verbose=False))
            valid = [_dataset(run.held_out, train_set)]
        booster = lightgbm.train(self._parameters(run, objective), train_set, rounds, valid, callbacks=callbacks)
        best = booster.best_iteration if run.held_out is not None else rounds
        return BoostedModel(booster, objective, max(1, min(best, booster.current_iteration())))

    def _parameters(self, run: Run, objective: Objective) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "learning_rate": self.learning_rate,
            "num_leaves": 15,
            "min_data_in_leaf": max(1, min(20, len(run.train) // 50)),
            "feature_fraction": 0.7,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "lambda_l2": 1.0,
            "num_threads": 1,
            "seed": run.seed,
            "deterministic": True,
            "force_row_wise": True,
            "feature_pre_filter": False,
            "verbosity": -1,
        }
        if objective.task is Task.REGRESSION:
            return parameters | {"objective": "regression", "metric": "l2"}
        if objective.outputs == 2:
            return parameters | {"objective": "binary", "metric": "binary_logloss"}
        return parameters | {"objective": "multiclass", "metric": "multi_logloss", "num_class": objective.outputs}


class TabularNetwork(nn.Module):
    """Three layers over standardised features."""

    def __init__(self, features: int, outputs: int, width: int, dropout: Dropout) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features, width), nn.SiLU(), dropout,
            nn.Linear(width, width), nn.SiLU(), dropout,
            nn.Linear(width, outputs),
        )  # fmt: skip

    def forward(self, features: Tensor) -> Tensor:
        scores: Tensor = self.layers(features)
        return scores


@dataclass(frozen=True)
class TabularNetworkLearner:
    """Trains a `TabularNetwork` on imputed, standardised, one-hot features."""

    epochs: int
    name: str = "tabular_network"

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """Numbers imputed and standardised, one feature a category."""
        return {"encoding": "onehot"}

    def fit(self, run: Run, objective: Objective) -> NetworkModel:
        """Train once."""
        features = run.train.feed["features"]
        with seeded(run.seed):
            network = TabularNetwork(features.shape[1], objective.outputs, 128, Dropout(0.2, run.seed))
        schedule = Schedule(self.epochs, batch_rows=64, learning_rate=2e-3, weight_decay=0.05)
        epoch = train(network, run, objective, schedule)
        return NetworkModel(
            network,
            objective,
            epoch,
            {"features": np.zeros((2, features.shape[1]), dtype=np.float32)},
            {"features": (0,)},
        )


def _dataset(examples: Examples, reference: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
    return lightgbm.Dataset(examples.feed["features"], examples.targets, reference=reference)


def _reporting(run: Run, rounds: int) -> Any:
    def report(env: Any) -> None:
        run.progress((env.iteration + 1) / rounds)

    return report
