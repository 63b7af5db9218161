"""One batch put to its member, and the search for whom to blame where the member refuses it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

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

    def run(self) -> Coroutine[Any, Any, None]:
        """Return the coroutine that ends when every part is settled."""
        return self._settle(self._parts)

    async def _settle(self, parts: Sequence[Part]) -> None:
        """Ask for the parts whose callers still wait; what fails here fails them alone."""
        parts = [part for part in parts if not part.future.done()]
        if not parts:
            return
        timeout_seconds = max([part.deadline for part in parts]) - self._now()
        try:
            if timeout_seconds <= 0:
                raise DeadlineExceeded("time ran out before the member was asked")
            outputs = await self._send(join([part.batch for part in parts]), timeout_seconds)
        except InvalidRows as error:
            await self._settle_without_bad_rows(parts, error)
        except (InvalidInput, MemberError) as error:
            await self._settle_in_halves(parts, error)
        except Exception as error:  # nobody may be left waiting, whatever went wrong
            _fail(parts, error)
        else:
            deliver(parts, outputs)

    async def _settle_without_bad_rows(self, parts: Sequence[Part], error: InvalidRows) -> None:
        """Tell each caller of its own bad rows, and ask again for those that have none."""
        clean = blame(parts, error)
        if len(clean) == len(parts):
            _fail(clean, MemberError(f"the member refused rows that are not in the batch: {error}"))
        elif clean and not self._may_call(1):
            _fail(clean, MemberError(f"too many callers had bad rows at once: {error}"))
        else:
            await self._settle(clean)

    async def _settle_in_halves(self, parts: Sequence[Part], error: Exception) -> None:
        """Split the batch, so that the caller it fails for is found and the others are served."""
        if len(parts) == 1 or not self._may_call(2):
            _fail(parts, error)
            return
        middle = len(parts) // 2
        await asyncio.gather(self._settle(parts[:middle]), self._settle(parts[middle:]))

    def _may_call(self, calls: int) -> bool:
        self._calls_left -= calls
        return self._calls_left >= 0


def _fail(parts: Sequence[Part], error: Exception) -> None:
    for part in parts:
        part.fail(error)
