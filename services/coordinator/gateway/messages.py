"""Answers and requests as `quorate.v1` messages. Pure functions; the queue's consumer writes the same messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import NDArray

from quorate.ensemble import Answer, MemberReport, Quality, Status
from quorate.errors import InvalidInput
from quorate.rpc.quorate.v1 import answers_pb2 as pb
from quorate.tensors import datatype_of, to_raw
from services.coordinator.engine.raw import RawColumns

STATUSES: Mapping[Status, pb.MemberStatus] = {
    Status.ANSWERED: pb.ANSWERED,
    Status.MISSING_VIEW: pb.MISSING_VIEW,
    Status.LATE: pb.LATE,
    Status.FAILED: pb.FAILED,
    Status.SKIPPED: pb.SKIPPED,
}


def read_tensors(tensors: Iterable[pb.Tensor]) -> RawColumns:
    """Return the tensors as they came, for the engine; InvalidInput for a name given twice."""
    tensors = list(tensors)
    header = tuple((tensor.name, tensor.datatype, tuple(tensor.shape)) for tensor in tensors)
    names = [name for name, _, _ in header]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput(f"tensor {twice!r} is given twice; name each once")
    return RawColumns(header, [tensor.raw for tensor in tensors])


def tensor_message(name: str, array: NDArray[Any]) -> pb.Tensor:
    """Write one array raw."""
    return pb.Tensor(name=name, datatype=datatype_of(array), shape=array.shape, raw=to_raw(array))


def answer_message(answer: Answer, request_id: str = "") -> pb.Answer:
    """Write the whole answer: outputs, who is in it and why others are not, and what that quorum reaches."""
    return pb.Answer(
        ensemble=answer.ensemble,
        version=answer.version,
        id=request_id,
        outputs=[tensor_message(name, array) for name, array in answer.outputs.items()],
        members=[report_message(report) for report in answer.members],
        expected_quality=quality_message(answer.expected_quality),
        degraded=answer.degraded,
        labels=answer.labels,
    )


def report_message(report: MemberReport) -> pb.MemberReport:
    """Write one member's part."""
    return pb.MemberReport(
        member=report.member,
        version=report.version,
        status=STATUSES[report.status],
        reason=report.reason,
        latency_seconds=report.latency_seconds,
        rows_asked=report.rows_asked,
        rows_answered=report.rows_answered,
    )


def quality_message(quality: Quality | None) -> pb.ExpectedQuality | None:
    """Write the expected quality; None where it was never measured."""
    if quality is None:
        return None
    return pb.ExpectedQuality(
        metric=quality.metric, value=quality.value, low=quality.low, high=quality.high, rows=quality.rows
    )
