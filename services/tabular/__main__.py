"""The worker of a member that looks at table rows: read settings, build, serve."""

from __future__ import annotations

import sys

from quorate.errors import QuorateError
from quorate.serving.server import run
from quorate.serving.worker import serve_member, worker_arguments
from quorate.settings import load_settings
from quorate.telemetry import configure_logging

VIEW = "tabular"


def main() -> int:
    """Serve until SIGTERM; return the exit status."""
    given = worker_arguments(VIEW).parse_args()
    try:
        settings = load_settings(store_url=given.store, database_url=given.database_url)
        configure_logging(settings, f"{VIEW}:{given.member}")
        run(lambda: serve_member(settings, given.member, [VIEW], given.listen))
    except QuorateError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
