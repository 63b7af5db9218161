"""Errors survive SQL as what they are."""

from __future__ import annotations

import pytest

from quorate import errors
from services.coordinator.queue.stored_errors import from_columns, to_columns


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidInput("no such column"),
        errors.NotQuorate("1 of 2"),
        errors.DeadlineExceeded("late"),
        errors.TamperedArtifact("digest"),
        errors.InvalidRows({3: "no image", 1: "ünïcode"}),
    ],
)
def test_a_domain_error_comes_back_as_its_own_class(error: errors.QuorateError) -> None:
    back = from_columns(*to_columns(error))
    assert (type(back), str(back), getattr(back, "reasons", None)) == (
        type(error),
        str(error),
        getattr(error, "reasons", None),
    )


def test_an_unforeseen_error_says_nothing_of_the_inside() -> None:
    code, message = to_columns(RuntimeError("password=hunter2"))
    assert (code, "hunter2" in message) == ("MemberError", False)


def test_a_code_of_a_newer_version_is_still_an_error() -> None:
    assert type(from_columns("Paradox", "huh")) is errors.QuorateError
