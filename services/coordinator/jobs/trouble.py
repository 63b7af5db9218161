"""Why rows got no full answer, told apart: rows to blame, too many at once, or a member that is away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quorate.ensemble import Answer, MemberReport, Status
from quorate.errors import InvalidInput, NotQuorate, QuorateError

_ROWS_TO_BLAME = {"InvalidInput", "InvalidRows", "InvalidSpec", "TooLarge", "MemberError"}


@dataclass(frozen=True)
class Trouble:
    """What kept a batch from a full answer, in words, and what may help.

    `by_rows`: the members that are troubled failed on what they were sent, so other rows may do better.
    `late`: fewer rows may be answered in time. `certain`: the same rows never succeed.
    """

    reason: str
    members: tuple[str, ...] = ()
    by_rows: bool = False
    late: bool = False
    certain: bool = False


def trouble_of_answer(answer: Answer) -> Trouble | None:
    """Say which members with their view there are not in the answer, and why; None where all are in it."""
    return _trouble_of_reports(answer.members) if answer.degraded else None


def trouble_of_error(error: QuorateError) -> Trouble:
    """Say what a call that ended without an answer tells of its rows."""
    if isinstance(error, InvalidInput):
        return Trouble(str(error), by_rows=True, certain=True)
    if isinstance(error, NotQuorate) and error.reports:
        return _trouble_of_reports(error.reports)
    return Trouble(str(error))


def _trouble_of_reports(reports: Sequence[MemberReport]) -> Trouble:
    absent = [report for report in reports if report.status in (Status.FAILED, Status.LATE)]
    return Trouble(
        "; ".join(f"member {report.member} {report.status.value}: {report.reason}" for report in absent),
        tuple(report.member for report in absent),
        by_rows=bool(absent) and all(report.error in _ROWS_TO_BLAME for report in absent),
        late=any(report.status is Status.LATE for report in absent),
    )
