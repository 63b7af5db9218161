"""The gateway's side of the slow lane: requests kept in SQL in groups, and answers waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence

from quorate.db.claims import is_id
from quorate.db.requests import NewRequest, RequestStore, StoredRequest
from quorate.ensemble import Ensemble
from quorate.errors import DeadlineExceeded, InvalidInput, NotFound, Unavailable, shown
from quorate.rpc.quorate.v1 import answers_pb2 as pb
from quorate.settings import Settings
from services.coordinator.queue.celery_app import REQUESTS_TASK
from services.coordinator.queue.doorbell import Doorbell
from services.coordinator.queue.group_commit import GroupCommit
from services.coordinator.queue.hints import listen
from services.coordinator.queue.stored_errors import from_columns
from services.coordinator.queue.threads import Threads
from services.coordinator.queue.waiters import Waiters

MAX_KEY_LENGTH = 200
MAX_TIME_TO_LIVE_SECONDS = 7 * 24 * 3600.0

Resolve = Callable[[str, str], Ensemble]
"""An ensemble by name and version or alias; raises NotFound."""


class Submissions:
    """Submit and Await. Made and used on one loop; `start` before the first call, `close` after the last."""

    def __init__(self, settings: Settings, store: RequestStore, resolve: Resolve, doorbell: Doorbell) -> None:
        self._settings, self._store, self._resolve, self._doorbell = settings, store, resolve, doorbell
        self._sql = Threads("submissions-sql", 2)
        self._accepted: GroupCommit[NewRequest, str] = GroupCommit(self._accept)
        self._waiters: Waiters[StoredRequest | None] = Waiters(self._read_ended)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start listening for hints, and looking up what is waited for."""
        hints = listen(self._settings.broker_url, self._waiters.hint, self._waiters.hint_all)
        self._tasks = [asyncio.create_task(hints), asyncio.create_task(self._waiters.run())]

    def drain(self) -> None:
        """Send home whoever awaits an answer: this process stops, and the answer can be awaited elsewhere."""
        self._waiters.fail_all(Unavailable("the gateway is stopping; the request goes on, await it again"))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._sql.close()

    async def submit(self, request: pb.SubmitRequest) -> pb.SubmitReply:
        """Keep the request and return its id once it is in SQL; the version is pinned now."""
        ensemble = self._resolve(request.request.ensemble, request.request.version)
        seconds = request.time_to_live_seconds or self._settings.request_ttl_seconds
        if not 0 < seconds <= MAX_TIME_TO_LIVE_SECONDS:
            raise InvalidInput(f"time_to_live_seconds is {seconds}; give up to {MAX_TIME_TO_LIVE_SECONDS:.0f} seconds")
        if len(request.idempotency_key) > MAX_KEY_LENGTH:
            raise InvalidInput(
                f"idempotency_key has {len(request.idempotency_key)} characters; give up to {MAX_KEY_LENGTH}"
            )
        if "\x00" in request.idempotency_key:  # PostgreSQL would refuse everything that is accepted along with it
            raise InvalidInput("idempotency_key holds a NUL character; give printable ones")
        if not request.request.inputs:
            raise InvalidInput("the request holds no tensor; send at least one")
        new = NewRequest(
            ensemble.name,
            ensemble.version,
            request.request.SerializeToString(),
            request.idempotency_key,
            request.priority,
            seconds,
        )
        return pb.SubmitReply(request_id=await self._accepted.add(new))

    async def await_answer(self, request_id: str, timeout_seconds: float | None) -> pb.Answer:
        """Return the answer, or raise the error that the request ended with.

        NotFound for an id that is not (or no longer) kept; DeadlineExceeded when `timeout_seconds` pass first: the
        request goes on, and may be awaited again.
        """
        if not is_id(request_id):  # it would be remembered, and looked up together with everybody else's
            raise _not_kept(request_id)
        try:
            async with asyncio.timeout(timeout_seconds):
                stored = await self._waiters.wait(request_id)
        except TimeoutError:
            raise DeadlineExceeded(f"request {request_id} has no answer yet; it goes on, await it again") from None
        if stored is None:
            raise _not_kept(request_id)
        if stored.answer is None:
            raise from_columns(stored.error_code, stored.error)
        return pb.Answer.FromString(stored.answer)

    async def _accept(self, requests: list[NewRequest]) -> Sequence[str]:
        ids = await self._sql.run(self._store.accept, requests)
        # An idempotency key may stand for a request that ended long ago.
        self._waiters.note_begun(one for one, new in zip(ids, requests, strict=True) if not new.idempotency_key)
        self._doorbell.ring(REQUESTS_TASK)
        return ids

    async def _read_ended(self, ids: Collection[str]) -> dict[str, StoredRequest | None]:
        found = await self._sql.run(self._store.get_many, ids)
        return {key: found.get(key) for key in ids if key not in found or found[key].ended}


def _not_kept(request_id: str) -> NotFound:
    said = shown(request_id)
    return NotFound(f"no request has the id {said}; it was never accepted, or its time to live is over")
