"""The command's entry: one line for what went wrong, and an exit status that a script can read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from quorate.errors import QuorateError


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 if it worked, 1 if it failed, 2 if it was not understood."""
    from quorate.cli.app import app

    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="quorate")
    except QuorateError as error:
        fail(str(error))
    except Exception as error:
        if type(error).__module__.split(".")[0] != "grpc":
            raise
        from quorate.statuses import error_from_rpc

        fail(str(error_from_rpc(error)))  # type: ignore[arg-type]
    raise SystemExit(0)


def fail(message: str) -> NoReturn:
    """Say what went wrong on standard error, in one line, and exit with 1."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(1)
