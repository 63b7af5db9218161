"""One running platform for the tests of this folder that neither kill a process nor wipe the broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.support.queue import QueueHouse, Stubs, longer_is_dog, odd_ages_are_dogs, queue_house
from tests.support.servers import RedisServer


@dataclass(frozen=True)
class Platform:
    """A house whose pool and gateway run."""

    house: QueueHouse
    stubs: Stubs


@pytest_asyncio.fixture(loop_scope="session", scope="package")
async def running(tmp_path_factory: pytest.TempPathFactory, redis: RedisServer) -> AsyncIterator[Platform]:
    async with queue_house(tmp_path_factory.mktemp("queue"), redis.url) as house:
        with house.pool():
            async with house.gateway() as stubs:
                yield Platform(house, stubs)


@pytest.fixture
def platform(running: Platform) -> Platform:
    """The running platform, its members as they were made."""
    for member, model in ((running.house.reader, longer_is_dog), (running.house.counter, odd_ages_are_dogs)):
        member.model, member.delay_seconds, member.error = model, 0.0, None
        member.batches.clear()
    return running
