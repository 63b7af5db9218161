"""Every member's replicas: addresses resolved anew each second, readiness asked, channels opened and closed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import grpc
import structlog

from quorate.ensemble import Member
from quorate.errors import InvalidInput
from quorate.settings import Settings
from services.coordinator.engine.addresses import literal_target, resolve
from services.coordinator.engine.catalog import Catalog
from services.coordinator.engine.replicas import Replica, ReplicaSet

PERIOD_SECONDS = 1.0
CLOSE_GRACE_SECONDS = 30.0

log = structlog.get_logger(__name__)


class Fleet:
    """Owns the channels to all members. Belongs to the event loop that starts it."""

    def __init__(self, settings: Settings, catalog: Callable[[], Catalog]) -> None:
        self._catalog = catalog
        self._options = _channel_options(settings)
        self._sets: dict[str, ReplicaSet] = {}
        self._resolved: dict[str, tuple[str, ...]] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._checked: set[tuple[Replica, Member]] = set()
        self._loop_task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look once, so that what is up is known, and then every second until closed."""
        await self._look()
        self._loop_task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop looking and close every channel."""
        tasks = [task for task in (self._loop_task, *self._chores) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(replica.close(0) for replicas in self._sets.values() for replica in replicas))
        self._sets.clear()

    def of(self, member: str) -> ReplicaSet:
        """Return the member's replicas; one that was never asked for gets those whose address needs no resolving."""
        replicas = self._sets.get(member)
        if replicas is None:
            replicas = self._sets[member] = ReplicaSet(member, self._connect)
            self._replace(replicas, self._catalog().endpoints(member))
        return replicas

    def refresh(self) -> None:
        """Look now, since the catalog has changed."""
        self._do(self._look())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            try:
                await self._look()
            except Exception as error:  # the next look may succeed; the replicas known so far stay
                log.warning("members could not be looked up", error=str(error))

    async def _look(self) -> None:
        catalog = self._catalog()
        members = {member for ensemble in catalog.ensembles() for member in ensemble.members}
        members |= {registered.member for registered in catalog.members}
        names = {member.name for member in members} | set(self._sets)
        await self._resolve({address for name in names for address in catalog.endpoints(name)})
        for name in names:
            self._replace(self.of(name), catalog.endpoints(name))
        checks = [self._check(replica, member) for member in members for replica in self.of(member.name)]
        if checks:
            # A replica that does not answer must not hold up what is learnt of the others.
            await asyncio.wait([self._do(check) for check in checks], timeout=PERIOD_SECONDS)

    async def _check(self, replica: Replica, member: Member) -> None:
        key = (replica, member)
        if key in self._checked or not replica.breaker.allows:
            return
        self._checked.add(key)
        try:
            await replica.check(member)
        finally:
            self._checked.discard(key)

    async def _resolve(self, addresses: Iterable[str]) -> None:
        pending = [address for address in addresses if literal_targets((address,)) is None]
        found = await asyncio.gather(*(resolve(address) for address in pending), return_exceptions=True)
        for address, targets in zip(pending, found, strict=True):
            # A resolver that is away for a moment must not take the replicas away.
            if not isinstance(targets, BaseException):
                self._resolved[address] = targets

    def _replace(self, replicas: ReplicaSet, addresses: tuple[str, ...]) -> None:
        targets: list[str] = []
        for address in addresses:
            targets += literal_targets((address,)) or self._resolved.get(address, ())
        if addresses and not targets:
            replicas.trouble = f"{', '.join(addresses)} does not resolve"
        for replica in replicas.replace(dict.fromkeys(targets)):
            self._do(replica.close(CLOSE_GRACE_SECONDS))

    def _connect(self, target: str) -> Replica:
        return Replica(target, grpc.aio.insecure_channel(target, options=self._options))

    def _do(self, chore: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)
        return task


def literal_targets(addresses: tuple[str, ...]) -> list[str] | None:
    """Return the targets of addresses that need no resolving, none for a malformed one; None where one does."""
    targets = []
    for address in addresses:
        with contextlib.suppress(InvalidInput):
            if (target := literal_target(address)) is None:
                return None
            targets.append(target)
    return targets


def _channel_options(settings: Settings) -> tuple[tuple[str, int], ...]:
    return (
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        # A worker that was restarted is found within a second; gRPC's own longest wait is two minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1000),
        ("grpc.max_reconnect_backoff_ms", 1000),
        # Two members on one server keep a connection each, and a proxy is not for the platform's own traffic.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_http_proxy", 0),
    )
