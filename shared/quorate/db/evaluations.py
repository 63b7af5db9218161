"""Evaluations: the metrics of members and ensembles on the parts of data sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite

from sqlalchemy import insert, select

from quorate.db.claims import new_id
from quorate.db.database import Database
from quorate.db.models import Evaluation, EvaluationMetric, now

Interval = tuple[float, float, float]
"""A metric's value, and the low and the high end of its 95% interval."""


@dataclass(frozen=True)
class MetricValue:
    """A metric, with its 95% interval where one was computed."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class StoredEvaluation:
    """What one version reached on one part of one data set. `kind`: member or ensemble."""

    kind: str
    name: str
    version: int
    dataset_hash: str
    part: str
    rows: int
    metrics: Mapping[str, MetricValue]
    id: str = ""
    created_at: datetime = field(default_factory=now)


class EvaluationStore:
    """Evaluations, added once and never changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        kind: str,
        name: str,
        version: int,
        dataset_hash: str,
        part: str,
        rows: int,
        metrics: Mapping[str, float | Interval],
    ) -> str:
        """Keep an evaluation and give its id; a metric that is not finite (undefined on this data) is left out."""
        evaluation_id = new_id()
        evaluation = {"id": evaluation_id, "kind": kind, "name": name, "version": version}
        values = [(metric, _metric_value(value)) for metric, value in metrics.items()]
        metric_rows = [
            {
                "evaluation_id": evaluation_id,
                "metric": metric,
                "value": value.value,
                "low": value.low,
                "high": value.high,
            }
            for metric, value in values
            if isfinite(value.value)
        ]
        with self._database.write() as connection:
            connection.execute(
                insert(Evaluation), {**evaluation, "dataset_hash": dataset_hash, "part": part, "rows": rows}
            )
            if metric_rows:
                connection.execute(insert(EvaluationMetric), metric_rows)
        return evaluation_id

    def find(self, kind: str, name: str, version: int | None = None) -> tuple[StoredEvaluation, ...]:
        """The evaluations of a name (of one version, where given), oldest first."""
        wanted = [Evaluation.kind == kind, Evaluation.name == name]
        if version is not None:
            wanted.append(Evaluation.version == version)
        found = select(*Evaluation.__table__.c).where(*wanted).order_by(Evaluation.created_at, Evaluation.id)
        values = select(*EvaluationMetric.__table__.c).join(Evaluation).where(*wanted)
        metrics: defaultdict[str, dict[str, MetricValue]] = defaultdict(dict)
        with self._database.read() as connection:
            for row in connection.execute(values):
                metrics[row.evaluation_id][row.metric] = MetricValue(row.value, row.low, row.high)
            rows = connection.execute(found).mappings().all()
        return tuple(StoredEvaluation(**row, metrics=metrics[row["id"]]) for row in rows)


def _metric_value(value: float | Interval) -> MetricValue:
    return MetricValue(*map(float, value)) if isinstance(value, tuple | list) else MetricValue(float(value))
