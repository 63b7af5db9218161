"""Scoring a batch: every row ends with an answer of all its members or with a reason, or nothing is said at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from quorate.ensemble import Answer, Columns, Ensemble, MemberReport, Status, Task
from quorate.errors import InvalidInput, InvalidRows, NotQuorate, Unavailable
from services.coordinator.jobs.lease import Progress
from services.coordinator.jobs.scorer import BatchResult, MembersMissing, Scorer, ScoringOptions
from tests.support.members import LABELS, table_member, text_member

PETS = Ensemble("pets", 1, Task.CLASSIFICATION, LABELS, (text_member(), table_member()))
Says = Callable[[np.ndarray[Any, Any]], tuple[Status, str]]


class Engine:
    """Answers as its members say: a function from the batch's ids to a status and the error behind it."""

    def __init__(self, counter: Says, reader: Says = lambda ids: (Status.ANSWERED, "")) -> None:
        self.counter, self.reader = counter, reader
        self.calls: list[list[int]] = []

    async def answer(
        self, ensemble: Ensemble, columns: Columns, *, patience_seconds: float, outputs: Sequence[str]
    ) -> Answer:
        ids = columns["id"]
        self.calls.append(ids.tolist())
        reports = []
        for name, says in (("reader", self.reader), ("counter", self.counter)):
            status, error = says(ids)
            if error == "InvalidRows":
                raise InvalidRows({int(row): "unreadable" for row in np.flatnonzero(ids % 10 == 3)})
            if error == "InvalidInput":
                raise InvalidInput("refused")
            reports.append(MemberReport(name, 1, status, f"{name}: {error}", error=error))
        if all(report.status is not Status.ANSWERED for report in reports):
            raise NotQuorate("nobody", reports=reports)
        return Answer("pets", 1, LABELS, {"probabilities": ids}, tuple(reports), np.ones((2, len(ids)), bool))


def works(ids: Any) -> tuple[Status, str]:
    return Status.ANSWERED, ""


async def score(engine: Engine, rows: int = 32, **options: Any) -> tuple[BatchResult, Scorer]:
    scorer, progress = Scorer(engine, 16), Progress()  # type: ignore[arg-type]
    chosen = {"allow_degraded": False, "call_seconds": 1.0, "idle_seconds": 0.3, "last_claim": False, **options}
    ids = np.arange(rows)
    result = await scorer.score(PETS, ids + 1000, {"id": ids}, ScoringOptions(("probabilities",), **chosen), progress)
    assert progress.done == rows
    return result, scorer


def answered(result: BatchResult) -> list[int]:
    """The rows that have an answer, each checked to have its own."""
    for part in result.scored:
        assert (part.rows == part.answer.outputs["probabilities"] + 1000).all()
    return sorted(int(row) for part in result.scored for row in part.rows)


async def test_every_row_is_answered_in_batches_within_the_limit() -> None:
    engine = Engine(works)
    result, _ = await score(engine, 40)
    assert (answered(result), result.rejected) == (list(range(1000, 1040)), {})
    assert [len(call) for call in engine.calls] == [8, 16, 16]


async def test_rows_that_cannot_be_read_are_rejected_and_the_rest_goes_on() -> None:
    engine = Engine(lambda ids: (Status.FAILED, "InvalidRows") if (ids % 10 == 3).any() else (Status.ANSWERED, ""))
    result, _ = await score(engine)
    assert result.rejected == {1003: "unreadable", 1013: "unreadable", 1023: "unreadable"}
    assert answered(result) == [row for row in range(1000, 1032) if row % 10 != 3]


@pytest.mark.parametrize(
    "reader", [works, lambda ids: (Status.FAILED, "MemberError") if 7 in ids else (Status.ANSWERED, "")]
)
async def test_the_row_that_breaks_a_model_is_found(reader: Says) -> None:
    result, _ = await score(
        Engine(lambda ids: (Status.FAILED, "MemberError") if 7 in ids else (Status.ANSWERED, ""), reader)
    )
    assert list(result.rejected) == [1007]
    assert "MemberError" in result.rejected[1007]
    assert answered(result) == [row for row in range(1000, 1032) if row != 1007]


async def test_a_row_that_is_refused_without_a_reason_is_found_at_once() -> None:
    engine = Engine(lambda ids: (Status.FAILED, "InvalidInput") if 7 in ids else (Status.ANSWERED, ""))
    result, _ = await score(engine)
    assert result.rejected == {1007: "refused"}


async def test_a_model_that_breaks_on_everything_rejects_nothing_before_the_last_claim() -> None:
    def broken(ids: Any) -> tuple[Status, str]:
        return Status.FAILED, "MemberError"

    with pytest.raises(MembersMissing, match="MemberError"):
        await score(Engine(broken), 2)
    result, _ = await score(Engine(broken), 2, last_claim=True, idle_seconds=5.0)
    assert sorted(result.rejected) == [1000, 1001]


async def test_a_late_member_is_asked_for_fewer_rows_and_that_is_remembered() -> None:
    result, scorer = await score(Engine(lambda ids: (Status.LATE, "") if len(ids) > 5 else (Status.ANSWERED, "")))
    assert answered(result) == list(range(1000, 1032))
    assert scorer.batch_rows < 10


async def test_a_missing_member_is_waited_for_and_then_given_up() -> None:
    away = iter([True] * 3 + [False] * 100)
    result, _ = await score(Engine(lambda ids: (Status.FAILED, "Unavailable") if next(away) else (Status.ANSWERED, "")))
    assert answered(result) == list(range(1000, 1032))
    with pytest.raises(MembersMissing, match="counter failed: counter: Unavailable"):
        await score(Engine(lambda ids: (Status.FAILED, "Unavailable")))


async def test_degraded_answers_are_taken_where_they_are_allowed() -> None:
    result, _ = await score(Engine(lambda ids: (Status.FAILED, "Unavailable")), allow_degraded=True)
    assert answered(result) == list(range(1000, 1032))
    assert all(part.answer.degraded for part in result.scored)


async def test_an_engine_without_any_member_is_waited_for() -> None:
    class Nobody(Engine):
        async def answer(self, *_: Any, **__: Any) -> Answer:
            raise Unavailable("starting")

    with pytest.raises(MembersMissing, match="starting"):
        await score(Nobody(works), 2, idle_seconds=0.05)
