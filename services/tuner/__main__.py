"""The tuner: `pool` works off the queue, `fit` trains on this machine alone, `run-fit` is the pool's own child."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import uuid
from typing import Any, TextIO

from quorate.errors import QuorateError
from quorate.fitting.options import FitOptions, parse_fit_options
from quorate.settings import Settings, load_settings
from quorate.telemetry import configure_logging
from services.tuner.events import events_only, print_event, printed


def main() -> int:
    """Run one of the three; return the exit status."""
    given = _arguments()
    output = events_only()
    try:
        settings = load_settings(store_url=given.store, database_url=given.database_url, broker_url=given.broker_url)
        configure_logging(settings, "tuner")
        if given.process == "pool":
            _pool(settings)
        elif given.process == "run-fit":
            _run_fit(settings, given.fit_id, output)
        else:
            _fit(settings, given, output)
    except QuorateError as error:
        print(f"error: {error}", file=sys.stderr)
        if given.process != "pool":
            print_event(output, {"error": str(error)})
        return 2
    return 0


def _pool(settings: Settings) -> None:
    from services.tuner.celery_app import run_pool

    run_pool(settings)


def _run_fit(settings: Settings, fit_id: str, output: TextIO) -> None:
    from services.tuner.orders import run_order

    threading.Thread(target=_end_with_parent, daemon=True).start()
    print_event(output, {"result": run_order(settings, fit_id, printed(output))})


def _fit(settings: Settings, given: argparse.Namespace, output: TextIO) -> None:
    options = parse_fit_options("table", _options(given))

    from services.tuner.pipeline import Order, fit_table
    from services.tuner.platform import open_platform

    order = Order(uuid.uuid4().hex, given.out, given.table, options, anywhere=True)
    progress = printed(output) if given.events else lambda _step, _fraction: None
    print_event(output, {"result": fit_table(order, open_platform(settings, serves=False), progress)})


def _end_with_parent() -> None:
    """End this process when the pool that started it is gone, however that went: its end of the pipe closes."""
    while os.read(0, 4096):
        pass
    os._exit(1)


def _options(given: argparse.Namespace) -> dict[str, Any]:
    """The options that stand on the command line; lists are joined by commas."""
    found = {name: value for name in FitOptions.model_fields if (value := getattr(given, name)) is not None}
    return {name: tuple(filter(None, value.split(","))) if _is_list(name) else value for name, value in found.items()}


def _is_list(name: str) -> bool:
    return isinstance(FitOptions.model_fields[name].default, tuple)


def _arguments() -> argparse.Namespace:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--store", metavar="URL", help="fsspec URL of the store (QUORATE_STORE_URL)")
    shared.add_argument("--database-url", metavar="URL", help="SQLAlchemy URL (QUORATE_DATABASE_URL)")
    shared.add_argument("--broker-url", metavar="URL", help="Redis URL of the broker (QUORATE_BROKER_URL)")
    parser = argparse.ArgumentParser("python -m services.tuner", description=__doc__)
    processes = parser.add_subparsers(dest="process", required=True)
    processes.add_parser("pool", parents=[shared], help="run the fits of the queue")
    child = processes.add_parser("run-fit", parents=[shared], help="run one fit that the pool has claimed")
    child.add_argument("fit_id")
    fit = processes.add_parser("fit", parents=[shared], help="train on this machine; needs no platform")
    fit.add_argument("table", help="CSV, JSONL or Parquet: a file or an fsspec URL")
    fit.add_argument("--out", required=True, metavar="NAME", help="name of the ensemble")
    fit.add_argument("--events", action="store_true", help="print progress as lines of JSON")
    for name in FitOptions.model_fields:
        fit.add_argument(f"--{name.replace('_', '-')}", metavar="A,B" if _is_list(name) else "VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
