"""What an ensemble's live members say about labelled rows, each asked at its own endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import grpc
import numpy as np
from numpy.typing import NDArray

from quorate.ensemble import Columns, Ensemble, FloatArray, Member, Task
from quorate.errors import InvalidRows, TryAgain, Unavailable
from quorate.oip.client import MemberClient
from services.tuner.dataset import has_view, view_columns
from services.tuner.evaluation import Outputs
from services.tuner.learner import Fraction
from services.tuner.platform import Platform

BATCH_ROWS = 128
CALL_SECONDS = 30.0
PATIENCE_SECONDS = 60.0
"""How long a member that does not answer is asked again."""


def live_outputs(ensemble: Ensemble, columns: Columns, rows: int, platform: Platform, report: Fraction) -> Outputs:
    """Ask every member about every row that has its views.

    Raises InvalidRows for rows that a member cannot read, Unavailable for a member that nobody serves.
    """
    return asyncio.run(_live_outputs(ensemble, columns, rows, platform, report))


async def _live_outputs(
    ensemble: Ensemble, columns: Columns, rows: int, platform: Platform, report: Fraction
) -> Outputs:
    endpoints = platform.registry.endpoints()
    width = 1 if ensemble.task is Task.REGRESSION else len(ensemble.labels)
    outputs = np.zeros((len(ensemble.members), rows, width))
    present = np.zeros((len(ensemble.members), rows), dtype=bool)
    for i, member in enumerate(ensemble.members):
        present[i] = rows_of(member, columns, rows)
        asker = _Asker(member, endpoints.get(member.name, ()), platform.max_message_bytes)
        wanted = np.flatnonzero(present[i])
        for start in range(0, len(wanted), BATCH_ROWS):
            batch = wanted[start : start + BATCH_ROWS]
            outputs[i, batch] = await asker.ask(columns, batch)
            report((i + (start + len(batch)) / len(wanted)) / len(ensemble.members))
        await asker.close()
    return Outputs(outputs, present)


def rows_of(member: Member, columns: Columns, rows: int) -> NDArray[np.bool_]:
    """Which rows [rows] have every view that the member looks at; none where one of its columns is missing."""
    if any(name not in columns for name in member.columns):
        return np.zeros(rows, dtype=bool)
    whole = [name for name in member.columns if name in member.views]
    table = tuple(name for name in member.columns if name not in member.views)
    groups = [(name,) for name in whole] + ([table] if table else [])
    there: NDArray[np.bool_] = np.logical_and.reduce([has_view(columns, group) for group in groups])
    return there


class _Asker:
    """One member, asked at its addresses in turn."""

    def __init__(self, member: Member, addresses: Sequence[str], max_message_bytes: int) -> None:
        if not addresses:
            raise Unavailable(f"nobody serves member {member.name!r}; start its worker, or add its endpoint")
        options = [(f"grpc.max_{way}_message_length", max_message_bytes) for way in ("send", "receive")]
        self._member = member
        self._channels = [grpc.aio.insecure_channel(address, options=options) for address in addresses]
        self._clients = [MemberClient(channel) for channel in self._channels]

    async def ask(self, columns: Columns, rows: NDArray[np.intp]) -> FloatArray:
        """The member's answers for these rows; who cannot answer yet is asked again for a minute."""
        batch = view_columns(columns, self._member.columns, rows)
        give_up = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        turn = 0
        while True:
            client = self._clients[turn % len(self._clients)]
            try:
                return await client.infer(self._member, batch, CALL_SECONDS)
            except InvalidRows as error:
                raise InvalidRows({int(rows[row]): reason for row, reason in error.reasons.items()}) from error
            except TryAgain:
                turn += 1
                if asyncio.get_running_loop().time() > give_up:
                    raise
                await asyncio.sleep(min(2.0, 0.1 * turn))

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close(None)
