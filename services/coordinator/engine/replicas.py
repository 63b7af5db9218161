"""The processes that answer for one member: a channel and a circuit breaker each, the least busy asked first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator

import grpc

from quorate.ensemble import FloatArray, Member
from quorate.errors import DeadlineExceeded, NotFound, Overloaded, QuorateError, Unavailable
from quorate.oip import MemberClient
from services.coordinator.engine.breaker import CircuitBreaker
from services.coordinator.engine.columns import Batch
from services.coordinator.engine.raw import RawBatch

READY_TIMEOUT_SECONDS = 3.0
NOT_HERE = (Unavailable, Overloaded, NotFound)
"""What one replica may say while another serves: gone, full, or this version not loaded yet."""


class Replica:
    """One process that answers for a member. Belongs to the event loop that made it."""

    def __init__(self, target: str, channel: grpc.aio.Channel) -> None:
        self.target = target
        self.breaker = CircuitBreaker()
        self.calls = 0
        self.turn = 0
        """When it was last chosen, as a count of choices: of equally busy replicas the longest rested is next."""
        self.ready: dict[Member, bool] = {}
        self._channel = channel
        self._client = MemberClient(channel)

    async def infer(self, member: Member, batch: Batch, timeout_seconds: float) -> FloatArray:
        """Ask the member for a batch; raises what `MemberClient.infer` does."""
        self.breaker.begin()
        self.calls += 1
        try:
            if isinstance(batch, RawBatch):
                request = batch.tensors.request(batch.raws, batch.rows)
                outputs = await self._client.ask(member, request, batch.rows, timeout_seconds)
            else:
                outputs = await self._client.infer(member, batch, timeout_seconds)
        except BaseException as error:
            self._note(error)
            raise
        else:
            self.breaker.succeeded()
            return outputs
        finally:
            self.calls -= 1

    async def check(self, member: Member) -> None:
        """Learn whether this replica can answer for the member's version; a call that fails says it cannot."""
        self.breaker.begin()
        try:
            self.ready[member] = await self._client.ready(member, READY_TIMEOUT_SECONDS)
        except DeadlineExceeded:
            # So long for a question that costs nothing: the process hangs, or the way to it is cut.
            self.breaker.failed()
            self.ready[member] = False
        except QuorateError as error:
            self._note(error)
            self.ready[member] = False
        except BaseException:
            self.breaker.abandoned()
            raise
        else:
            self.breaker.succeeded()

    async def close(self, grace_seconds: float) -> None:
        """Close the channel once the calls on it have ended, or the grace has."""
        await self._channel.close(grace_seconds)

    def _note(self, error: BaseException) -> None:
        """Tell the breaker what a call that failed says of the connection."""
        if isinstance(error, Unavailable):
            self.breaker.failed()
        elif isinstance(error, DeadlineExceeded):
            connected = self._channel.get_state() is grpc.ChannelConnectivity.READY
            (self.breaker.abandoned if connected else self.breaker.failed)()
        elif isinstance(error, QuorateError):
            self.breaker.succeeded()
        else:
            self.breaker.abandoned()


class ReplicaSet:
    """All replicas of one member, whatever its version."""

    def __init__(self, member: str, connect: Callable[[str], Replica]) -> None:
        self.member = member
        self._connect = connect
        self._replicas: dict[str, Replica] = {}
        self._turns = 0
        self.trouble = "no address is registered for it"

    def __iter__(self) -> Iterator[Replica]:
        return iter(tuple(self._replicas.values()))

    def __len__(self) -> int:
        return len(self._replicas)

    def replace(self, targets: Collection[str]) -> list[Replica]:
        """Keep a replica a target, connecting new ones; return those that are no longer named, to be closed."""
        gone = [replica for target, replica in self._replicas.items() if target not in targets]
        self._replicas = {target: self._replicas.get(target) or self._connect(target) for target in targets}
        return gone

    def is_ready(self, member: Member) -> bool:
        """Whether some replica said at its last check that it answers for this version."""
        return any(replica.ready.get(member, False) and not replica.breaker.is_open for replica in self)

    def infer(self, member: Member, batch: Batch, timeout_seconds: float) -> Awaitable[FloatArray]:
        """Ask the least busy replica, and one other where the first is not there for us."""
        if len(self._replicas) == 1:
            (only,) = self._replicas.values()
            if only.breaker.allows:
                return only.infer(member, batch, timeout_seconds)
        return self._infer(member, batch, timeout_seconds)

    async def _infer(self, member: Member, batch: Batch, timeout_seconds: float) -> FloatArray:
        first = self._choose(member, None)
        try:
            return await first.infer(member, batch, timeout_seconds)
        except NOT_HERE as error:
            try:
                other = self._choose(member, first)
            except Unavailable:
                raise error from None
            return await other.infer(member, batch, timeout_seconds)

    def _choose(self, member: Member, tried: Replica | None) -> Replica:
        allowed = [replica for replica in self._replicas.values() if replica is not tried and replica.breaker.allows]
        if not allowed:
            if self._replicas:
                raise Unavailable(f"{self.member} cannot be reached at {', '.join(self._replicas)}")
            raise Unavailable(f"{self.member} cannot be reached: {self.trouble}")
        # One that has not said that it is ready may be starting, or loading this very version.
        chosen = min(allowed, key=lambda replica: (not replica.ready.get(member, True), replica.calls, replica.turn))
        self._turns += 1
        chosen.turn = self._turns
        return chosen
