"""What came back: the merged output, who is in it, and what that quorum is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.ensemble import MemberReport, Quality, Status
from quorate.rpc.quorate.v1 import answers_pb2 as pb
from quorate.tensors import from_raw

STATUSES: Mapping[int, Status] = {pb.MemberStatus.Value(status.name): status for status in Status}


@dataclass(frozen=True)
class Prediction:
    """An ensemble's answer for N rows. `classes` are the ensemble's labels, in the order of `probabilities`."""

    ensemble: str
    version: int
    id: str
    classes: tuple[str, ...]
    outputs: Mapping[str, NDArray[Any]]
    members: tuple[MemberReport, ...]
    expected_quality: Quality | None
    degraded: bool
    latency_seconds: float
    """From the call to the answer, as this client saw it."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The likeliest class of each row; for a regression, nothing."""
        return tuple(_text(label) for label in self.outputs.get("label", ()))

    @property
    def label(self) -> str:
        """The likeliest class of the first row: of the item, where one was asked about."""
        return self.labels[0] if self.labels else ""

    @property
    def probabilities(self) -> NDArray[Any]:
        """Probabilities [N, C]; of no rows for a regression."""
        return self.outputs.get("probabilities", np.empty((0, len(self.classes)), np.float32))

    @property
    def confidence(self) -> float:
        """The first row's highest probability; NaN for a regression."""
        return float(self.probabilities[0].max()) if len(self.probabilities) else float("nan")

    @property
    def values(self) -> NDArray[Any]:
        """A regression's values [N]; none for a classification."""
        return self.outputs.get("value", np.empty(0, np.float32))

    @property
    def value(self) -> float:
        """A regression's value of the first row; NaN for a classification."""
        return float(self.values[0]) if len(self.values) else float("nan")

    @property
    def by_member(self) -> dict[str, NDArray[Any]]:
        """What each member said, [N, C], where `members=True` asked for it; NaN in rows it did not answer."""
        named = ((name.removeprefix("members."), array) for name, array in self.outputs.items() if "." in name)
        return dict(named)

    @property
    def answered(self) -> tuple[str, ...]:
        return self._with(Status.ANSWERED)

    @property
    def missing(self) -> tuple[str, ...]:
        """Members that were not asked, since no row has their view."""
        return self._with(Status.MISSING_VIEW)

    @property
    def late(self) -> tuple[str, ...]:
        return self._with(Status.LATE)

    @property
    def failed(self) -> tuple[str, ...]:
        return self._with(Status.FAILED)

    @property
    def skipped(self) -> tuple[str, ...]:
        return self._with(Status.SKIPPED)

    @property
    def reasons(self) -> dict[str, str]:
        """Why a member is not in the answer, by its name."""
        return {report.member: report.reason for report in self.members if report.reason}

    def _with(self, status: Status) -> tuple[str, ...]:
        return tuple(report.member for report in self.members if report.status is status)


def prediction_of(answer: pb.Answer, latency_seconds: float) -> Prediction:
    """Read the wire's answer."""
    quality = answer.expected_quality
    return Prediction(
        ensemble=answer.ensemble,
        version=answer.version,
        id=answer.id,
        classes=tuple(answer.labels),
        outputs={each.name: from_raw(each.name, each.datatype, each.shape, each.raw) for each in answer.outputs},
        members=tuple(_report(member) for member in answer.members),
        expected_quality=Quality(quality.metric, quality.value, quality.low, quality.high, quality.rows)
        if answer.HasField("expected_quality")
        else None,
        degraded=answer.degraded,
        latency_seconds=latency_seconds,
    )


def _report(member: pb.MemberReport) -> MemberReport:
    return MemberReport(
        member=member.member,
        version=member.version,
        status=STATUSES.get(member.status, Status.SKIPPED),
        reason=member.reason,
        latency_seconds=member.latency_seconds,
        rows_asked=member.rows_asked,
        rows_answered=member.rows_answered,
    )


def _text(label: object) -> str:
    return label.decode() if isinstance(label, bytes) else str(label)
