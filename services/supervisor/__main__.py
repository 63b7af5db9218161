"""Run the embedded platform in the foreground: `python -m services.supervisor --home DIR`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from quorate.db.database import migrate, open_database
from quorate.db.registry import RegistryStore
from quorate.errors import QuorateError
from quorate.settings import Settings, load_settings
from quorate.telemetry import configure_logging
from services.supervisor.lock import sole_supervisor
from services.supervisor.orphans import end_orphans
from services.supervisor.platform import LOOPBACK, client_address, platform_specs, worker_spec
from services.supervisor.registry import RegistryLink
from services.supervisor.spec import Stage
from services.supervisor.supervisor import Supervisor


def main() -> int:
    arguments = _parse()
    try:
        settings = load_settings(home=arguments.home)
        configure_logging(settings, "supervisor")
        home = settings.home.expanduser().resolve()
        with sole_supervisor(home):
            serve(settings.model_copy(update={"home": home}), arguments.host, arguments.port)
    except QuorateError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def serve(settings: Settings, host: str, port: int) -> None:
    """Bring everything up and keep it so until SIGTERM or SIGINT."""
    end_orphans(settings.home, grace_seconds=5)
    database = open_database(settings.resolved_database_url)
    migrate(database)
    specs = platform_specs(settings, settings.home, host, port)
    gateway = next(spec for spec in specs if spec.kind is Stage.GATEWAY)
    environment = gateway.environment
    link = RegistryLink(RegistryStore(database), lambda member: worker_spec(member, settings, environment))
    link.start()
    supervisor = Supervisor(settings.home, specs, link, gateway=client_address(gateway.host, gateway.port))
    try:
        _run_until_signalled(supervisor)
    finally:
        link.close()
        database.close()


def _run_until_signalled(supervisor: Supervisor) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.stop())
    supervisor.run()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.supervisor", description=__doc__)
    parser.add_argument("--home", type=Path, help="where the platform keeps everything (default: QUORATE_HOME)")
    parser.add_argument("--host", default=LOOPBACK, help="the interface that the gateway listens on")
    parser.add_argument("--port", type=int, default=0, help="the gateway's port (default: a free one)")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
