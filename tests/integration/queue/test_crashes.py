"""What is killed, wiped or gone meanwhile costs time, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import redis.asyncio as redis_client

from quorate.db import NewRequest, StoredRequest
from quorate.rpc.quorate.v1 import answers_pb2, jobs_pb2
from services.coordinator.gateway.messages import tensor_message
from services.coordinator.jobs.servicer import job_message, new_job
from tests.support.jobs import POISON, assert_exactly_once, created, ended, table, written
from tests.support.members import bytes_cells
from tests.support.queue import QueueHouse, queue_house
from tests.support.servers import RedisServer, redis_server, wait_until_async

SOON = 60.0
"""Seconds: a process's start takes a while on a busy machine."""


def question(age: float) -> answers_pb2.PredictRequest:
    inputs = [tensor_message("age", np.array([age])), tensor_message("colour", bytes_cells(b"red"))]
    return answers_pb2.PredictRequest(ensemble="pets", inputs=inputs)


async def answered(house: QueueHouse, ids: list[str]) -> list[StoredRequest]:
    def all_done() -> list[StoredRequest]:
        found = house.requests.get_many(ids)
        return [found[one] for one in ids] if all(found[one].ended for one in ids) else []

    stored: list[StoredRequest] = await wait_until_async(all_done, SOON, "all requests have ended")
    return stored


async def chunks_done(house: QueueHouse, job_id: str, least: int) -> None:
    await wait_until_async(lambda: house.jobs.progress(job_id).chunks_done >= least, SOON, f"{least} chunks are done")


async def test_pools_killed_again_and_again_lose_no_request_and_no_row(home: Path, redis: RedisServer) -> None:
    async with queue_house(home, redis.url) as house:
        content = table(poison=POISON)
        request = jobs_pb2.CreateJobRequest(ensemble="pets", input_url=written(house, content), chunk_rows=500)
        ensemble = house.registry.get_ensemble("pets").ensemble
        job_id = house.jobs.create(new_job(request, ensemble, house.settings)).id
        ids = house.requests.accept([NewRequest("pets", 1, question(age).SerializeToString()) for age in range(20)])
        house.counter.delay_seconds = 0.15
        for least in (1, 3):
            with house.pool() as pool:
                await chunks_done(house, job_id, least)
                pool.kill()
        house.counter.delay_seconds = 0.0
        with house.pool(), house.pool("pool-2"):
            stored = await answered(house, ids)
            assert [one.error for one in stored] == [""] * 20
            await wait_until_async(lambda: house.jobs.get(job_id).ended, timeout=SOON, describe="the job has ended")
        assert_exactly_once(job_message(house.jobs.progress(job_id)), content)


async def test_a_broker_that_is_wiped_and_then_gone_stops_nothing(home: Path) -> None:
    with redis_server() as broker:
        async with queue_house(home, broker.url) as house, house.gateway() as stubs:
            content = table()
            house.counter.delay_seconds = 0.1
            with house.pool():
                job_id = await created(stubs, written(house, content), chunk_rows=500)
                await chunks_done(house, job_id, 1)
                client = redis_client.Redis.from_url(broker.url)
                await client.flushall()
                await client.aclose()
                assert_exactly_once(await ended(stubs, job_id), content)
                for _ in range(2):  # with the broker wiped, and with none
                    submit = answers_pb2.SubmitRequest(request=question(3))
                    request_id = (await stubs.answers.Submit(submit, timeout=10)).request_id
                    answer = await stubs.answers.Await(answers_pb2.AwaitRequest(request_id=request_id), timeout=20)
                    assert answer.members[1].status == answers_pb2.ANSWERED
                    broker.process.kill()
                    await asyncio.to_thread(broker.process.wait)
