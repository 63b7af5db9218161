"""Errors survive the wire: what a servicer raises, the caller catches."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from quorate import errors
from quorate.statuses import DETAILS_KEY, error_from_rpc, status_of

CODES = {code.value[0]: code for code in grpc.StatusCode}


class Ended(grpc.RpcError):
    """A call that ended with a status, as grpc's clients raise it."""

    def __init__(self, code: grpc.StatusCode, details: str, metadata: Any = ()) -> None:
        self._code, self._details, self._metadata = code, details, metadata

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> Any:
        return self._metadata


def over_the_wire(error: errors.QuorateError) -> errors.QuorateError:
    status = status_of(error)
    return error_from_rpc(Ended(CODES[status.code], status.message, ((DETAILS_KEY, status.SerializeToString()),)))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidInput("x"), "INVALID_ARGUMENT"),
        (errors.InvalidSpec("x"), "INVALID_ARGUMENT"),
        (errors.TooLarge("x"), "RESOURCE_EXHAUSTED"),
        (errors.NotFound("x"), "NOT_FOUND"),
        (errors.AlreadyExists("x"), "ALREADY_EXISTS"),
        (errors.Conflict("x"), "FAILED_PRECONDITION"),
        (errors.TamperedArtifact("x"), "DATA_LOSS"),
        (errors.MemberError("x"), "INTERNAL"),
        (errors.Unavailable("x"), "UNAVAILABLE"),
        (errors.NotQuorate("x"), "UNAVAILABLE"),
        (errors.Overloaded("x", 0.25), "RESOURCE_EXHAUSTED"),
        (errors.DeadlineExceeded("x"), "DEADLINE_EXCEEDED"),
    ],
)
def test_an_error_comes_back_as_itself(error: errors.QuorateError, code: str) -> None:
    assert CODES[status_of(error).code].name == code
    back = over_the_wire(error)
    assert type(back) is type(error)
    assert str(back) == "x"
    if isinstance(error, errors.TryAgain):
        assert isinstance(back, errors.TryAgain)
        assert back.retry_after_seconds == error.retry_after_seconds


def test_bad_rows_come_back_with_their_reasons() -> None:
    reasons = {0: "not an image", 3: "not UTF-8", 4: "not an image", 5: "not an image", 9: "infinite"}
    back = over_the_wire(errors.InvalidRows(reasons))
    assert isinstance(back, errors.InvalidRows)
    assert back.reasons == reasons


@pytest.mark.parametrize("reason", ["the same", "row {row} holds something of its own: ähnlich"])
def test_many_bad_rows_fit_the_metadata_limit_of_any_peer(reason: str) -> None:
    back = errors.InvalidRows({row: reason.format(row=row) for row in range(0, 5000, 2)})
    status = status_of(back)
    assert len(status.SerializeToString()) * 4 / 3 + 3 * len(status.message.encode()) < 8192
    told = over_the_wire(back)
    assert isinstance(told, errors.InvalidRows)
    assert told.reasons
    assert told.reasons.items() <= back.reasons.items()


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max (9 vs. 4)", errors.TooLarge),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "queue full", errors.Overloaded),
        (grpc.StatusCode.UNKNOWN, "boom", errors.MemberError),
        (grpc.StatusCode.CANCELLED, "", errors.Unavailable),
    ],
)
def test_a_foreign_status_maps_by_its_code(
    code: grpc.StatusCode, message: str, expected: type[errors.QuorateError]
) -> None:
    assert type(error_from_rpc(Ended(code, message))) is expected


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "SERVER: Received message larger than max (9 vs. 4)",
            "the message has 9 bytes, and the receiver takes 4 at most; split it, or score it as a file",
        ),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "CLIENT: Sent message larger than max (9 vs. 4)", "this side takes 4"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", "no answer within the time that the caller gave it"),
        (
            grpc.StatusCode.UNAVAILABLE,
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Connection refused",
            "nobody answers at that address (ipv4:127.0.0.1:1: Connection refused); start the server",
        ),
    ],
)
def test_what_grpc_says_itself_is_said_with_a_remedy(code: grpc.StatusCode, message: str, expected: str) -> None:
    assert expected in str(error_from_rpc(Ended(code, message)))


def test_details_that_cannot_be_read_leave_the_code_to_speak() -> None:
    ended = Ended(grpc.StatusCode.NOT_FOUND, "gone", ((DETAILS_KEY, b"\xff\xff"),))
    assert type(error_from_rpc(ended)) is errors.NotFound
