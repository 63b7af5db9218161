"""Redis pub/sub: the ids of requests that have an answer. A hint only; who waits reads SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import redis.asyncio as redis
import structlog

log = structlog.get_logger(__name__)

CHANNEL = "quorate.answers"
TIMEOUT_SECONDS = 2.0
RECONNECT_SECONDS = 0.5


class HintPublisher:
    """Tells every gateway which requests have ended. Failing costs the waiters a second or two, nothing else."""

    def __init__(self, broker_url: str) -> None:
        self._client = redis.Redis.from_url(
            broker_url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
        )

    async def publish(self, ids: Iterable[str]) -> None:
        try:
            await self._client.publish(CHANNEL, " ".join(ids))
        except (redis.RedisError, OSError) as error:
            log.debug("no hint sent", error=str(error))

    async def close(self) -> None:
        await self._client.aclose()


async def listen(broker_url: str, on_ids: Callable[[list[str]], None], on_connect: Callable[[], None]) -> None:
    """Call `on_ids` for every hint until cancelled; `on_connect` after each (re)connection, when some may be missed."""
    while True:
        client = redis.Redis.from_url(broker_url, socket_connect_timeout=TIMEOUT_SECONDS, health_check_interval=10)
        try:
            async with client.pubsub(ignore_subscribe_messages=True) as channel:
                await channel.subscribe(CHANNEL)
                on_connect()
                async for message in channel.listen():
                    on_ids(message["data"].decode().split())
        except (redis.RedisError, OSError) as error:
            log.debug("hints are not heard until Redis is back", error=str(error))
        finally:
            await client.aclose()
        await asyncio.sleep(RECONNECT_SECONDS)
