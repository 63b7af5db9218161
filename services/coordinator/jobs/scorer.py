"""Rows through the engine until each is answered by all its members, or rejected with a reason."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.ensemble import Answer, Columns, Ensemble, Status
from quorate.errors import InvalidRows, QuorateError, TryAgain
from services.coordinator.engine import Engine
from services.coordinator.engine.columns import row_count, take
from services.coordinator.jobs.lease import Progress
from services.coordinator.jobs.trouble import Trouble, trouble_of_answer, trouble_of_error

Rows = NDArray[np.int64]

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.05, 2.0
STRIKES = 3
"""Times that a row alone is put to a member that fails on it, before the row is taken to be the cause."""


class MembersMissing(TryAgain):
    """Some member did not answer for as long as the chunk's lease allows to wait."""


@dataclass(frozen=True)
class ScoredRows:
    """Answered rows, by their number in the job's input, and the answer that holds them in this order."""

    rows: Rows
    answer: Answer


@dataclass
class BatchResult:
    """What became of a batch: answers, and the reasons of the rows that have none."""

    scored: list[ScoredRows] = field(default_factory=list)
    rejected: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoringOptions:
    """What is asked of the engine for one chunk, and how long it may take.

    `call_seconds` bounds one call, `idle_seconds` the wait for a missing member without any progress. On the
    `last_claim` of a chunk a row that fails alone is rejected even if nothing shows that its member works at all.
    """

    outputs: tuple[str, ...]
    allow_degraded: bool
    call_seconds: float
    idle_seconds: float
    last_claim: bool = False


class Scorer:
    """Scores batches for every chunk of a process, and remembers how many rows the members manage in time."""

    def __init__(self, engine: Engine, max_rows: int) -> None:
        self._engine = engine
        self._max_rows = max_rows
        self.batch_rows = max_rows
        self.answered_at: dict[str, float] = {}
        """When each member last answered, by the loop's clock: a sign that it works."""

    async def score(
        self, ensemble: Ensemble, rows: Rows, columns: Columns, options: ScoringOptions, progress: Progress
    ) -> BatchResult:
        """Return an answer or a reason for every row; raise MembersMissing when nothing moves for too long."""
        return await _Batch(self, ensemble, rows, columns, options, progress).run()

    async def ask(self, ensemble: Ensemble, columns: Columns, options: ScoringOptions) -> Answer:
        answer = await self._engine.answer(
            ensemble, columns, patience_seconds=options.call_seconds, outputs=options.outputs
        )
        now = asyncio.get_running_loop().time()
        self.answered_at.update({one.member: now for one in answer.members if one.status is Status.ANSWERED})
        return answer

    def note_late(self, rows: int) -> None:
        self.batch_rows = max(1, rows // 2)

    def note_in_time(self, rows: int) -> None:
        if rows >= self.batch_rows:
            self.batch_rows = min(self._max_rows, self.batch_rows + self.batch_rows // 4 + 1)


class _Batch:
    """One batch on its way: the parts of it that are still to be asked for, and what is known of its rows."""

    def __init__(
        self,
        scorer: Scorer,
        ensemble: Ensemble,
        rows: Rows,
        columns: Columns,
        options: ScoringOptions,
        progress: Progress,
    ) -> None:
        self._scorer, self._ensemble, self._options, self._progress = scorer, ensemble, options, progress
        self._rows, self._columns = rows, columns
        self._result = BatchResult()
        self._strikes: dict[int, int] = {}
        self._clock = asyncio.get_running_loop().time
        self._started_at = self._moved_at = self._clock()
        self._wait = FIRST_WAIT_SECONDS
        starts = range(scorer.batch_rows, row_count(columns), scorer.batch_rows)
        self._left: list[NDArray[Any]] = list(np.split(np.arange(len(rows)), list(starts)))

    async def run(self) -> BatchResult:
        while self._left:
            part = self._left.pop()
            trouble = await self._try(part)
            if trouble is None:
                self._moved_at, self._wait = self._clock(), FIRST_WAIT_SECONDS
            elif not self._narrow(part, trouble):
                await self._put_off(part, trouble)
        return self._result

    async def _try(self, part: NDArray[Any]) -> Trouble | None:
        """Ask for these rows; None where that settled them, or some of them."""
        columns = self._columns if len(part) == len(self._rows) else take(self._columns, part)
        try:
            answer = await self._scorer.ask(self._ensemble, columns, self._options)
        except InvalidRows as error:
            self._result.rejected.update({int(self._rows[part[row]]): why for row, why in error.reasons.items()})
            self._progress.done += len(error.reasons)
            rest = np.delete(part, list(error.reasons))
            if len(rest):
                self._left.append(rest)
            return None
        except QuorateError as error:
            return trouble_of_error(error)
        trouble = trouble_of_answer(answer)
        if trouble is not None and not self._options.allow_degraded:
            return trouble
        self._scorer.note_in_time(len(part))
        self._progress.done += len(part)
        self._result.scored.append(ScoredRows(self._rows[part], answer))
        return None

    def _narrow(self, part: NDArray[Any], trouble: Trouble) -> bool:
        """Go on with fewer rows, or without the one to blame; False where only waiting helps."""
        if trouble.late:
            self._scorer.note_late(len(part))
        if len(part) > 1 and (trouble.late or trouble.by_rows) and not self._is_idle():
            self._left += np.array_split(part, 2)
            return True
        if len(part) == 1 and trouble.by_rows and self._is_to_blame(int(part[0]), trouble):
            self._result.rejected[int(self._rows[part[0]])] = trouble.reason
            self._progress.done += 1
            self._moved_at = self._clock()
            return True
        return False

    def _is_to_blame(self, position: int, trouble: Trouble) -> bool:
        """Whether the row alone is the cause: its member failed on it time and again, and answered others meanwhile."""
        self._strikes[position] = self._strikes.get(position, 0) + 1
        answered = self._scorer.answered_at
        works = all(answered.get(member, -1.0) >= self._started_at for member in trouble.members)
        return trouble.certain or (self._strikes[position] >= STRIKES and (works or self._options.last_claim))

    async def _put_off(self, part: NDArray[Any], trouble: Trouble) -> None:
        if self._is_idle():
            raise MembersMissing(trouble.reason)
        self._left.insert(0, part)  # the others first, so that one row never stands in their way
        await asyncio.sleep(self._wait)
        self._wait = min(2 * self._wait, LONGEST_WAIT_SECONDS)

    def _is_idle(self) -> bool:
        return self._clock() - self._moved_at > self._options.idle_seconds
