"""What the supervisor is to keep alive, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Probe(StrEnum):
    """How a process shows that it is ready."""

    NONE = "none"
    """Being alive is enough."""
    HEALTH = "health"
    """`grpc.health.v1` at its address says SERVING."""
    REDIS = "redis"
    """It answers PING at its address."""
    BROKER = "broker"
    """It holds a connection to the broker."""


class Stage(StrEnum):
    """The order in which kinds of processes are stopped: whoever takes new work first, whom others need last."""

    GATEWAY = "gateway"
    POOL = "pool"
    WORKER = "worker"
    REDIS = "redis"


@dataclass(frozen=True)
class ProcessSpec:
    """One process to keep alive. `{address}`, `{host}` and `{port}` in the command are filled in at every start."""

    name: str
    kind: Stage
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    probe: Probe = Probe.NONE
    host: str = ""
    """Where it listens; empty: nowhere."""
    port: int = 0
    """0: a free port, kept over restarts unless somebody else has taken it meanwhile."""
    needs: tuple[str, ...] = ()
    """Names of the processes that must be running before this one is started."""
    member: str = ""
    """The member that a worker serves."""
    grace_seconds: float = 15.0
    """From SIGTERM to SIGKILL."""


@dataclass(frozen=True)
class RestartPolicy:
    """How long a process that died stays down: doubling from `first_seconds`, until it has run `stable_seconds`."""

    first_seconds: float = 0.5
    longest_seconds: float = 30.0
    stable_seconds: float = 30.0

    def delay_seconds(self, failures: int) -> float:
        """Return the wait before the start that follows the `failures`-th death in a row (from 1)."""
        return min(self.longest_seconds, self.first_seconds * 2.0 ** min(failures - 1, 30))
