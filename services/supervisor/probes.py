"""Whether a process is ready, asked without ever holding up the supervisor's loop for long."""

from __future__ import annotations

import socket
from typing import Protocol
from urllib.parse import urlsplit

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.supervisor.spec import Probe, ProcessSpec

TIMEOUT_SECONDS = 1.0


class Readiness(Protocol):
    """Asked again and again by the supervisor's one thread, from a start of a process to its end."""

    def ready(self) -> bool | None:
        """Say whether the process is ready; None while the answer is on its way."""
        ...

    def close(self) -> None: ...


class Alive:
    """Ready as soon as it runs."""

    def ready(self) -> bool | None:
        return True

    def close(self) -> None:
        pass


class Healthy:
    """Ready once `grpc.health.v1` says that the server as a whole is SERVING."""

    def __init__(self, address: str) -> None:
        # A server that is still starting refuses; gRPC's own backoff would wait longer and longer to look again.
        options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]
        self._channel = grpc.insecure_channel(address, options=options)
        self._stub = health_pb2_grpc.HealthStub(self._channel)
        self._call: grpc.Future[health_pb2.HealthCheckResponse] | None = None

    def ready(self) -> bool | None:
        if self._call is None:
            self._call = self._stub.Check.future(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_SECONDS)
        if not self._call.done():
            return None
        call, self._call = self._call, None
        serving = health_pb2.HealthCheckResponse.SERVING
        return call.exception() is None and call.result().status == serving

    def close(self) -> None:
        self._channel.close()


class Answering:
    """Ready once Redis answers PING."""

    def __init__(self, host: str, port: int, password: str) -> None:
        self._address = (host, port)
        self._password = password

    def ready(self) -> bool | None:
        authenticate = f"AUTH {self._password}\r\n" if self._password else ""
        try:
            with socket.create_connection(self._address, timeout=TIMEOUT_SECONDS) as connection:
                connection.sendall(f"{authenticate}PING\r\n".encode())
                return _read_until(connection, b"+PONG\r\n")
        except OSError:
            return False

    def close(self) -> None:
        pass


class Connected:
    """Ready once the process holds a connection to the broker's port."""

    def __init__(self, pid: int, broker_port: int) -> None:
        self._pid = pid
        self._port = broker_port

    def ready(self) -> bool | None:
        try:
            connections = psutil.Process(self._pid).net_connections(kind="tcp")
        except psutil.Error:
            return False
        established = (link for link in connections if link.status == psutil.CONN_ESTABLISHED and link.raddr)
        return any(link.raddr.port == self._port for link in established)

    def close(self) -> None:
        pass


def probe_of(spec: ProcessSpec, address: str, pid: int) -> Readiness:
    """Make the probe that the spec asks for, for one run of the process."""
    if spec.probe is Probe.HEALTH:
        return Healthy(address)
    if spec.probe in (Probe.REDIS, Probe.BROKER):
        broker = urlsplit(spec.environment["QUORATE_BROKER_URL"])
        host, port = broker.hostname or "127.0.0.1", broker.port or 6379
        return Answering(host, port, broker.password or "") if spec.probe is Probe.REDIS else Connected(pid, port)
    return Alive()


def _read_until(connection: socket.socket, ending: bytes) -> bool:
    received = b""
    while not received.endswith(ending):
        data = connection.recv(256)
        received += data
        if not data or b"-" in received:  # closed, or an error such as -LOADING
            return False
    return True
