"""The embedded platform's processes, as specs."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path

from quorate.ensemble import Member
from quorate.errors import Conflict
from quorate.redis_server import redis_executable
from quorate.settings import Settings
from services.supervisor.ports import free_port, is_free, join_address
from services.supervisor.redis import write_configuration
from services.supervisor.spec import Probe, ProcessSpec, Stage

LOOPBACK = "127.0.0.1"
WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104


def platform_specs(settings: Settings, home: Path, host: str, port: int) -> tuple[ProcessSpec, ...]:
    """Describe Redis, the gateway and both pools, wired to one another by their environment.

    `port` 0 takes a free one. Conflict: somebody else listens there.
    """
    if port and not is_free(host, port):
        raise Conflict(f"port {port} of {host} is taken; give another --port, or none to take a free one")
    redis_port = free_port(LOOPBACK)
    configuration, password = write_configuration(home)
    broker_url = f"redis://:{password}@{LOOPBACK}:{redis_port}/0"
    port = port or free_port(host)
    environment = _environment(settings, home, broker_url, client_address(host, port))
    return (
        _redis(configuration, redis_port, environment),
        _service("gateway", Stage.GATEWAY, ("services.coordinator", "gateway"), environment, host, port),
        _service("coordinator", Stage.POOL, ("services.coordinator", "pool"), environment),
        _service("tuner", Stage.POOL, ("services.tuner", "pool"), environment),
    )


def worker_spec(member: Member, settings: Settings, environment: Mapping[str, str]) -> ProcessSpec | None:
    """Describe the worker of a member with one view; None where no service looks at its views."""
    module = f"services.{member.views[0]}"
    if len(member.views) != 1 or importlib.util.find_spec(module) is None:
        return None
    return ProcessSpec(
        name=f"worker-{member.name}",
        kind=Stage.WORKER,
        command=(sys.executable, "-m", module, "--member", member.name, "--listen", "{address}"),
        environment=environment,
        probe=Probe.HEALTH,
        host=LOOPBACK,
        member=member.name,
        grace_seconds=settings.drain_seconds + 5,
    )


def client_address(host: str, port: int) -> str:
    """Return the address that a client on this host calls, also where the server listens on every interface."""
    return join_address(LOOPBACK if host in WILDCARDS else host, port)


def _environment(settings: Settings, home: Path, broker_url: str, gateway: str) -> dict[str, str]:
    return {
        "QUORATE_HOME": str(home),
        "QUORATE_DATABASE_URL": settings.resolved_database_url,
        "QUORATE_STORE_URL": settings.resolved_store_url,
        "QUORATE_BROKER_URL": broker_url,
        "QUORATE_GATEWAY": gateway,
        "PYTHONUNBUFFERED": "1",
    }


def _redis(configuration: Path, port: int, environment: Mapping[str, str]) -> ProcessSpec:
    return ProcessSpec(
        name="redis",
        kind=Stage.REDIS,
        command=(redis_executable(), str(configuration), "--port", "{port}"),
        environment=environment,
        probe=Probe.REDIS,
        host=LOOPBACK,
        port=port,
    )


def _service(
    name: str, kind: Stage, module: tuple[str, ...], environment: Mapping[str, str], host: str = "", port: int = 0
) -> ProcessSpec:
    listen = ("--listen", "{address}") if host else ()
    return ProcessSpec(
        name=name,
        kind=kind,
        command=(sys.executable, "-m", *module, *listen),
        environment=environment,
        probe=Probe.HEALTH if host else Probe.BROKER,
        host=host,
        port=port,
        needs=("redis",),
        grace_seconds=20.0,
    )
