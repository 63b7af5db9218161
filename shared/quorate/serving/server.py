"""A gRPC server as every process of Quorate runs one: limits, health, reflection, errors, and a drain on SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE
from grpc_reflection.v1alpha import reflection

from quorate.errors import InvalidInput
from quorate.serving.errors import ErrorInterceptor
from quorate.settings import Settings

log = structlog.get_logger(__name__)
MAX_CONNECTION_AGE_SECONDS = 60
"""A client that keeps to one replica resolves anew after this, and finds the others."""
CONNECTION_GRACE_SECONDS = 3600
"""How long a call may go on over a connection past its age: as long as the longest policy deadline."""


class Health(HealthServicer):  # type: ignore[misc]
    """`grpc.health.v1` whose watches end when the server drains, so that none of them holds the drain up."""

    def __init__(self, services: Iterable[str]) -> None:
        super().__init__()
        self._services = ("", *services)
        self._closing = asyncio.Event()
        self._server_status.update(dict.fromkeys(self._services, health_pb2.HealthCheckResponse.NOT_SERVING))

    async def set_ready(self, ready: bool) -> None:
        """Say SERVING or NOT_SERVING for the server and each of its services."""
        status = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        for service in self._services:
            await self.set(service, status)

    async def close(self) -> None:
        """Say NOT_SERVING from now on, whatever is set, and end every watch."""
        await self.enter_graceful_shutdown()
        self._closing.set()

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802
        """Stream the status whenever it changes, until the server drains."""
        watch = asyncio.ensure_future(super().Watch(request, context))
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({watch, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            watch.cancel()
            closing.cancel()


@dataclass(frozen=True)
class Listener:
    """A server that is bound but not started; register servicers on `server`, then `run_server`."""

    server: grpc.aio.Server
    health: Health
    address: str
    """HOST:PORT really bound, also where port 0 was asked for."""


def build_server(settings: Settings, listen: str, services: Iterable[str]) -> Listener:
    """Bind HOST:PORT for the named services, not ready yet; call it inside the event loop.

    InvalidInput where the address cannot be bound.
    """
    server = grpc.aio.server(interceptors=[ErrorInterceptor()], options=server_options(settings.max_message_bytes))
    health = Health(services := tuple(services))
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection([*services, HEALTH_SERVICE, reflection.SERVICE_NAME], server)
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise InvalidInput(
            f"listen address {listen!r} is not HOST:PORT; for instance 127.0.0.1:9000, port 0 for a free one"
        )
    try:
        bound = server.add_insecure_port(listen)
    except RuntimeError as error:
        raise InvalidInput(f"cannot listen on {listen}: is the port taken, or the host another machine's?") from error
    return Listener(server, health, f"{host}:{bound}")


def server_options(max_message_bytes: int) -> list[tuple[str, int]]:
    """Channel arguments of every server."""
    return [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_connection_age_ms", MAX_CONNECTION_AGE_SECONDS * 1000),
        ("grpc.max_connection_age_grace_ms", CONNECTION_GRACE_SECONDS * 1000),
        ("grpc.http2.min_ping_interval_without_data_ms", 5000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.so_reuseport", 0),  # two processes on one port would share its calls unseen
    ]


async def run_server(
    listener: Listener, drain_seconds: float, draining: Callable[[], Any] | None = None, ready: bool = True
) -> None:
    """Serve until SIGTERM or SIGINT, then drain: not ready, no new calls, what was accepted ends within the limit.

    `draining` is called when the drain begins; a second signal ends it at once. `ready` is False where the caller
    sets the health itself, later.
    """
    stop = _signalled()
    if ready:
        await listener.health.set_ready(True)
    await listener.server.start()
    log.info("serving", address=listener.address)
    await stop.wait()
    stop.clear()
    log.info("draining", seconds=drain_seconds)
    if draining is not None:
        draining()
    await listener.health.close()
    stopping = asyncio.ensure_future(listener.server.stop(drain_seconds))
    again = asyncio.ensure_future(stop.wait())
    await asyncio.wait({stopping, again}, return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        await listener.server.stop(None)
    again.cancel()
    log.info("stopped")


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a process's coroutine on uvloop where that is installed, else on asyncio's own loop."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _signalled() -> asyncio.Event:
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    return event
