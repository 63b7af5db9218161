"""Submitted requests through the engine: many claimed at once, asked side by side, their answers written together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from google.protobuf.message import DecodeError

from quorate.db.requests import ClaimedRequest, FinishedRequest, RequestStore
from quorate.errors import InvalidInput, QuorateError, TryAgain
from services.coordinator.jobs.trouble import trouble_of_error
from services.coordinator.queue.group_commit import GroupCommit
from services.coordinator.queue.hints import HintPublisher
from services.coordinator.queue.stored_errors import to_columns
from services.coordinator.queue.threads import Threads

log = structlog.get_logger(__name__)

CLAIM_LIMIT = 128
MOST_IN_FLIGHT = 512
MOST_FAILURES = 5
"""Times that members may fail on a request's own rows before it is given up; one that is away is waited for."""
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 0.2, 5.0

Answerer = Callable[[ClaimedRequest], Awaitable[bytes]]
"""Asks the engine for a claimed request and returns the serialised `quorate.v1.Answer`."""


class RequestDrain:
    """Works through the queue of submitted requests. Made and used on one loop; `wake` when there may be some.

    A request that fails in a way that may pass is put back with a growing delay, until its time to live is over.
    """

    def __init__(
        self, store: RequestStore, answer: Answerer, hints: HintPublisher, sql: Threads, lease_seconds: float
    ) -> None:
        self._store, self._answer, self._hints, self._sql = store, answer, hints, sql
        self._lease_seconds = lease_seconds
        self._wanted = asyncio.Event()
        self._room = asyncio.Event()
        self._in_flight: dict[asyncio.Task[None], ClaimedRequest] = {}
        self._finishes: GroupCommit[FinishedRequest, None] = GroupCommit(self._write)

    def wake(self) -> None:
        """Look for requests soon."""
        self._wanted.set()

    async def run(self) -> None:
        """Claim and answer until cancelled; then give back what is not answered."""
        heartbeat = asyncio.create_task(self._keep_leases())
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                await self._drain()
        finally:
            heartbeat.cancel()
            await self._give_back()

    async def _drain(self) -> None:
        while True:
            while len(self._in_flight) >= MOST_IN_FLIGHT:
                self._room.clear()
                await self._room.wait()
            limit = min(CLAIM_LIMIT, MOST_IN_FLIGHT - len(self._in_flight))
            try:
                claimed = await self._sql.run(self._store.claim, limit, self._lease_seconds)
            except QuorateError as error:
                log.warning("requests cannot be claimed; the reconciler will call again", error=str(error))
                return
            for request in claimed:
                task = asyncio.create_task(self._serve(request))
                self._in_flight[task] = request
                task.add_done_callback(self._ended)
            if len(claimed) < limit:
                return

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._in_flight[task]
        self._room.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("a request's end was not written; its lease will run out", error=str(error))

    async def _serve(self, request: ClaimedRequest) -> None:
        try:
            answer = await self._answer(request)
        except TryAgain as error:
            if request.attempts >= MOST_FAILURES and trouble_of_error(error).by_rows:
                await self._finishes.add(_failure(request, error))
            else:
                await self._put_off(request, error)
        except DecodeError:
            await self._finishes.add(_failure(request, InvalidInput("the stored request cannot be read")))
        except Exception as error:
            if not isinstance(error, QuorateError):
                log.exception("a submitted request failed in a way nobody thought of", request=request.id)
            await self._finishes.add(_failure(request, error))
        else:
            await self._finishes.add(FinishedRequest(request.id, request.token, answer))

    async def _put_off(self, request: ClaimedRequest, error: TryAgain) -> None:
        delay = min(FIRST_DELAY_SECONDS * 2 ** min(request.attempts - 1, 10), LONGEST_DELAY_SECONDS)
        delay = max(delay, error.retry_after_seconds or 0.0)
        await self._sql.run(self._store.release, [(request.id, request.token)], delay, str(error))
        asyncio.get_running_loop().call_later(delay, self.wake)

    async def _write(self, finished: list[FinishedRequest]) -> Sequence[None]:
        ids = await self._sql.run(self._store.finish, finished)
        if ids:
            await self._hints.publish(ids)
        return [None] * len(finished)

    async def _keep_leases(self) -> None:
        """Prolong what is in flight; the engine ends every call by its deadline, so nothing is held for ever."""
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            held = [(request.id, request.token) for request in self._in_flight.values()]
            if held:
                try:
                    await self._sql.run(self._store.extend, held, self._lease_seconds)
                except Exception as error:  # whatever it is, it must not end the heartbeat unseen
                    log.warning("leases cannot be prolonged", error=str(error))

    async def _give_back(self) -> None:
        held = [(request.id, request.token) for request in self._in_flight.values()]
        tasks = list(self._in_flight)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if held:
            await self._sql.run(self._store.release, held, 0.0, "the pool stopped")


def _failure(request: ClaimedRequest, error: Exception) -> FinishedRequest:
    code, message = to_columns(error)
    return FinishedRequest(request.id, request.token, None, code, message)
