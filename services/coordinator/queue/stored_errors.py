"""Domain errors as two columns of SQL and back, so that a stored failure is raised as what it was."""

from __future__ import annotations

import json

from quorate import errors
from quorate.errors import InvalidRows, QuorateError

_BY_NAME: dict[str, type[QuorateError]] = {
    name: cls for name, cls in vars(errors).items() if isinstance(cls, type) and issubclass(cls, QuorateError)
}


def to_columns(error: Exception) -> tuple[str, str]:
    """Return (error_code, error): the class's name, and its message (for InvalidRows its reasons as JSON)."""
    if isinstance(error, InvalidRows):
        return "InvalidRows", json.dumps(error.reasons)
    if isinstance(error, QuorateError):
        return type(error).__name__, str(error)
    return "MemberError", "an internal error; the coordinator pool's log has it"


def from_columns(error_code: str, error: str) -> QuorateError:
    """Rebuild the error; a code that this version does not know is a plain QuorateError."""
    if error_code == "InvalidRows":
        return InvalidRows({int(row): str(reason) for row, reason in json.loads(error).items()})
    return _BY_NAME.get(error_code, QuorateError)(error)
