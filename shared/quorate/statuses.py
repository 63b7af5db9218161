"""Domain errors to and from gRPC statuses, with `google.rpc` details: the one table that both ends read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from quorate import errors
from quorate.errors import InvalidRows, QuorateError, TooLarge, TryAgain

DETAILS_KEY = "grpc-status-details-bin"
DOMAIN = "quorate"
# A gRPC peer takes 8 KiB of trailing metadata by default, and a message stands in it twice.
MAX_MESSAGE_BYTES = 700
MAX_DETAILS_BYTES = 3400
_SPAN = r"\d{1,6}(?:-\d{1,6})?"  # six digits: a foreign server's range must not fill our memory

CODES: Mapping[type[QuorateError], grpc.StatusCode] = {
    QuorateError: grpc.StatusCode.INTERNAL,
    errors.InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    errors.TooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.Conflict: grpc.StatusCode.FAILED_PRECONDITION,
    errors.TamperedArtifact: grpc.StatusCode.DATA_LOSS,
    errors.MemberError: grpc.StatusCode.INTERNAL,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    TryAgain: grpc.StatusCode.UNAVAILABLE,
}
# What a foreign server's status means, where its details do not name our own class.
_CLASSES: Mapping[grpc.StatusCode, type[QuorateError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidInput,
    grpc.StatusCode.OUT_OF_RANGE: errors.InvalidInput,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.ALREADY_EXISTS: errors.AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: errors.Conflict,
    grpc.StatusCode.DATA_LOSS: errors.TamperedArtifact,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.ABORTED: errors.Unavailable,
    grpc.StatusCode.CANCELLED: errors.Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.Overloaded,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
}
_BY_NAME: Mapping[str, type[QuorateError]] = {
    cls.__name__: cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, QuorateError)
}


def code_of(error: QuorateError) -> grpc.StatusCode:
    """Name the status of the error's class, or of the nearest class above it."""
    return next(CODES[cls] for cls in type(error).__mro__ if cls in CODES)


def status_of(error: QuorateError) -> status_pb2.Status:
    """Write the error as a `google.rpc.Status` that fits a peer's metadata limit.

    Details: ErrorInfo (reason: the class's name), RetryInfo where it is known when to try again, and BadRequest
    for rows, one violation a distinct reason, field `row[3]` or `row[3,7-9]`. Reasons past the size limit are left
    out, so a caller that drops the named rows and asks again may hear of more.
    """
    message = _shortened(str(error) or type(error).__name__)
    status = status_pb2.Status(code=code_of(error).value[0], message=message)
    for detail in _details(error):
        status.details.add().Pack(detail)
    return status


def error_from_rpc(rpc_error: grpc.RpcError) -> QuorateError:
    """Rebuild the domain error that a call ended with; a status without our details maps by its code."""
    call: Any = rpc_error  # sync and asyncio errors share these methods, and no base class that states them
    code = call.code() if hasattr(call, "code") else grpc.StatusCode.UNKNOWN
    message = (call.details() if hasattr(call, "details") else str(call)) or f"the call ended as {code.name}"
    info, retry, rows = _read_details(call)
    cls = _BY_NAME.get(info.reason) if info is not None and info.domain == DOMAIN else None
    if cls is InvalidRows and rows:
        return InvalidRows(rows)
    if cls is None or cls is InvalidRows:
        cls, message = _class_of(code, message), _in_our_words(message)
    if issubclass(cls, TryAgain):
        return cls(message, retry.retry_delay.ToTimedelta().total_seconds() if retry is not None else None)
    return cls(message)


def _class_of(code: grpc.StatusCode, message: str) -> type[QuorateError]:
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in message:  # gRPC's own size limit
        return TooLarge
    return _CLASSES.get(code, errors.MemberError)


def _in_our_words(message: str) -> str:
    """Say what gRPC itself says, with a remedy; a message that is none of its own stays as it is."""
    if size := re.search(r"(Sent|Received) message larger than max \((\d+) vs\. (\d+)\)", message):
        whose = "this side" if size[1] == "Sent" else "the receiver"
        return f"the message has {size[2]} bytes, and {whose} takes {size[3]} at most; split it, or score it as a file"
    if message == "Deadline Exceeded":
        return "there was no answer within the time that the caller gave it; give it more"
    if message.startswith(("failed to connect", "errors resolving")):
        why = message.rpartition("last error: ")[2].removeprefix("UNKNOWN: ")
        return f"nobody answers at that address ({why}); start the server, or correct the address"
    return message


def _details(error: QuorateError) -> Iterator[Message]:
    yield error_details_pb2.ErrorInfo(reason=type(error).__name__, domain=DOMAIN)
    if isinstance(error, TryAgain) and error.retry_after_seconds is not None:
        delay = Duration()
        delay.FromMilliseconds(max(1, round(error.retry_after_seconds * 1000)))
        yield error_details_pb2.RetryInfo(retry_delay=delay)
    if isinstance(error, InvalidRows):
        yield _bad_request(error.reasons)


def _bad_request(reasons: Mapping[int, str]) -> error_details_pb2.BadRequest:
    rows_of: dict[str, list[int]] = {}
    for row, reason in reasons.items():
        rows_of.setdefault(_shortened(reason, 200), []).append(row)
    bad_request = error_details_pb2.BadRequest()
    size = 0
    for reason, rows in rows_of.items():
        field = f"row[{_ranges(rows)}]"
        size += len(field) + len(reason.encode()) + 8
        if size > MAX_DETAILS_BYTES and bad_request.field_violations:
            break
        bad_request.field_violations.add(field=field, description=reason)
    return bad_request


def _ranges(rows: list[int]) -> str:
    """Write sorted rows as `3,7-9`, as many of them as the size limit leaves room for."""
    spans: list[list[int]] = []
    for row in rows:
        if spans and row == spans[-1][1] + 1:
            spans[-1][1] = row
        else:
            spans.append([row, row])
    text = ""
    for first, last in spans:
        span = str(first) if first == last else f"{first}-{last}"
        if len(text) + len(span) > MAX_DETAILS_BYTES // 2:
            break
        text += f",{span}" if text else span
    return text


def _rows(field: str) -> Iterator[int]:
    if match := re.fullmatch(rf"row\[({_SPAN}(?:,{_SPAN})*)\]", field):
        for span in match.group(1).split(","):
            first, _, last = span.partition("-")
            yield from range(int(first), int(last or first) + 1)


def _read_details(
    call: Any,
) -> tuple[error_details_pb2.ErrorInfo | None, error_details_pb2.RetryInfo | None, dict[int, str]]:
    info, retry = None, None
    rows: dict[int, str] = {}
    for detail in _packed_details(call):
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info := error_details_pb2.ErrorInfo())
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            detail.Unpack(retry := error_details_pb2.RetryInfo())
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            detail.Unpack(bad_request := error_details_pb2.BadRequest())
            for violation in bad_request.field_violations:
                rows.update(dict.fromkeys(_rows(violation.field), violation.description))
    return info, retry, rows


def _packed_details(call: Any) -> Iterable[Any]:
    metadata = call.trailing_metadata() if hasattr(call, "trailing_metadata") else None
    for key, value in metadata or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return list(status_pb2.Status.FromString(value).details)
            except DecodeError:
                return ()
    return ()


def _shortened(text: str, limit: int = MAX_MESSAGE_BYTES) -> str:
    data = text.encode("utf-8", "replace")
    return text if len(data) <= limit else data[: limit - 3].decode("utf-8", "ignore") + "..."
