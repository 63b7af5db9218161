"""One batch put to its member, and the search for whom to blame where the member refuses it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence

from quorate.ensemble import FloatArray
from quorate.errors import DeadlineExceeded, InvalidInput, InvalidRows, MemberError
from services.coordinator.engine.columns import Batch, join
from services.coordinator.engine.parts import Part, blame, deliver

Send = Callable[[Batch, float], Awaitable[FloatArray]]


class BatchCall:
    """Serves every part of a batch or fails it with an error of its own, so that no caller spoils another's answer."""

    def __init__(self, send: Send, parts: Sequence[Part]) -> None:
        self._send = send
        self._parts = parts
        self._now = asyncio.get_running_loop().time
        # Enough further calls to single out two callers that spoil a batch; past it the member counts as failing.
        self._calls_left = 4 * math.ceil(math.log2(len(parts))) + 2 if len(parts) > 1 else 0

    async def run(self) -> None:
        """Return when every part is settled."""
        await self._settle(self._parts)

    async def _settle(self, parts: Sequence[Part]) -> None:
        """Ask for some of the parts; what fails here fails them alone."""
        try:
            await self._ask(parts)
        except Exception as error:  # nobody may be left waiting, whatever went wrong
            for part in parts:
                part.fail(error)

    async def _ask(self, parts: Sequence[Part]) -> None:
        """Ask for the parts whose callers still wait."""
        parts = [part for part in parts if not part.future.done()]
        if not parts:
            return
        timeout_seconds = max(part.deadline for part in parts) - self._now()
        if timeout_seconds <= 0:
            raise DeadlineExceeded("time ran out before the member was asked")
        try:
            outputs = await self._send(join([part.batch for part in parts]), timeout_seconds)
        except InvalidRows as error:
            await self._ask_without_bad_rows(parts, error)
        except (InvalidInput, MemberError) as error:
            await self._ask_in_halves(parts, error)
        else:
            deliver(parts, outputs)

    async def _ask_without_bad_rows(self, parts: Sequence[Part], error: InvalidRows) -> None:
        """Tell each caller of its own bad rows, and ask again for those that have none."""
        clean = blame(parts, error)
        if len(clean) == len(parts):
            raise MemberError(f"the member refused rows that are not in the batch: {error}") from error
        if clean and not self._may_call(1):
            raise MemberError(f"too many callers had bad rows at once: {error}") from error
        await self._ask(clean)

    async def _ask_in_halves(self, parts: Sequence[Part], error: Exception) -> None:
        """Split the batch, so that the caller it fails for is found and the others are served."""
        if len(parts) == 1 or not self._may_call(2):
            raise error
        middle = len(parts) // 2
        await asyncio.gather(self._settle(parts[:middle]), self._settle(parts[middle:]))

    def _may_call(self, calls: int) -> bool:
        self._calls_left -= calls
        return self._calls_left >= 0
