"""What can go wrong, as one tree.

    QuorateError
    ├── InvalidInput              the caller's mistake: the same call never succeeds
    │   ├── InvalidRows           some rows of a batch cannot be read; the others can
    │   ├── TooLarge              over a limit of the server; less of the same may succeed
    │   └── InvalidSpec           a file that describes something (ensemble, study) does not validate
    ├── NotFound                  no such ensemble, member, version, job or file
    ├── AlreadyExists             the name or version is taken by something else
    ├── Conflict                  refused in the present state: in use, already ended, claimed by another
    ├── TamperedArtifact          a file's digest is not the one its manifest states
    ├── MemberError               the model itself failed on an input it accepted
    └── TryAgain                  the same call may succeed later
        ├── Unavailable           not ready, or nobody there
        │   └── NotQuorate        too few members answered for the policy's quorum
        ├── Overloaded            a queue or a limit is full
        └── DeadlineExceeded      time ran out before there was an answer

A partial answer is a value (`quorate.ensemble.Answer`), not an exception. Messages name the value,
the expectation and the remedy. Nothing here knows of gRPC: `quorate.serving.errors` translates.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2
_SHORT.maxstring = 80


class QuorateError(Exception):
    """Root of every error that Quorate raises on purpose."""


class InvalidInput(QuorateError):
    """The request cannot be served as it is, now or later."""


class InvalidRows(InvalidInput):
    """Some rows of a batch cannot be read; `reasons` maps a row's index in the batch to why."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        self.reasons = dict(sorted(reasons.items()))
        rows_of: dict[str, list[int]] = {}
        for row, why in self.reasons.items():
            rows_of.setdefault(why, []).append(row)
        said = [f"row{'s' if len(rows) > 1 else ''} {listed(rows, 3)}: {why}" for why, rows in rows_of.items()]
        unsaid = sum(map(len, list(rows_of.values())[3:]))
        super().__init__("; ".join(said[:3]) + (f" (and {unsaid} rows more)" if unsaid else ""))


class TooLarge(InvalidInput):
    """The request is over a limit of the server; split it."""


class InvalidSpec(InvalidInput):
    """A specification file does not validate."""


class NotFound(QuorateError):
    """Nothing goes by that name, version or id."""


class AlreadyExists(QuorateError):
    """The name or version is taken."""


class Conflict(QuorateError):
    """The present state of the thing does not allow this."""


class TamperedArtifact(QuorateError):
    """A file's digest is not the one its manifest states, so it is refused."""


class MemberError(QuorateError):
    """A model failed on an input that it had accepted."""


class TryAgain(QuorateError):
    """The same call may succeed later; `retry_after_seconds` says when, if that is known."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(TryAgain):
    """Not ready, or nobody there to answer."""


class NotQuorate(Unavailable):
    """Too few members answered for the policy's quorum; `reports` (of MemberReport) says what became of each."""

    def __init__(self, message: str, retry_after_seconds: float | None = None, *, reports: Sequence[Any] = ()) -> None:
        super().__init__(message, retry_after_seconds)
        self.reports = tuple(reports)


class Overloaded(TryAgain):
    """A queue or a limit is full."""


class DeadlineExceeded(TryAgain):
    """Time ran out before there was an answer."""


def shown(value: Any) -> str:
    """Write a value into a message, cut to a few levels and elements: a YAML file can alias itself into gigabytes."""
    return _SHORT.repr(value)


def listed(names: Iterable[object], most: int = 8) -> str:
    """Write the first names of a list into a message, and how many more there are: a table may have hundreds."""
    texts = [str(name) for name in names]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more if texts else "none"


def nearest(name: str, known: Iterable[str]) -> str:
    """Write the known name that was probably meant as ` (did you mean 'x'?)`; empty where none is close."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def not_utf8(error: UnicodeError) -> str:
    """Say what is wrong with text that cannot be read or sent."""
    if isinstance(error, UnicodeDecodeError):
        return f"no UTF-8: byte 0x{error.object[error.start]:02x} at position {error.start}; encode it as UTF-8"
    if isinstance(error, UnicodeEncodeError):
        return f"no text that UTF-8 can hold: {error.object[error.start]!a} at position {error.start}"
    return f"no UTF-8: {error}"
