"""Submit and Await through real gateway, pool, Redis and SQLite."""

from __future__ import annotations

import asyncio

import grpc
import numpy as np
import pytest

from quorate.errors import MemberError, Unavailable
from quorate.rpc.quorate.v1 import answers_pb2 as pb
from quorate.statuses import error_from_rpc
from quorate.tensors import from_raw
from services.coordinator.gateway.messages import tensor_message
from tests.integration.queue.conftest import Platform
from tests.support.members import bytes_cells
from tests.support.queue import Stubs
from tests.support.servers import wait_until_async

pytestmark = pytest.mark.asyncio(loop_scope="session")


def question(age: float, text: bytes = b"ab", **fields: object) -> pb.PredictRequest:
    inputs = [
        tensor_message("text", bytes_cells(text)),
        tensor_message("age", np.array([age])),
        tensor_message("colour", bytes_cells(b"red")),
    ]
    return pb.PredictRequest(ensemble="pets", inputs=inputs, **fields)  # type: ignore[arg-type]


async def submitted(stubs: Stubs, request: pb.PredictRequest, **fields: object) -> str:
    reply = await stubs.answers.Submit(pb.SubmitRequest(request=request, **fields), timeout=10)  # type: ignore[arg-type]
    return str(reply.request_id)


async def awaited(stubs: Stubs, request_id: str, timeout: float = 20) -> pb.Answer:  # noqa: ASYNC109 - the call's own
    answer: pb.Answer = await stubs.answers.Await(pb.AwaitRequest(request_id=request_id), timeout=timeout)
    return answer


def label_of(answer: pb.Answer) -> bytes:
    (tensor,) = [tensor for tensor in answer.outputs if tensor.name == "label"]
    label: bytes = from_raw(tensor.name, tensor.datatype, tensor.shape, tensor.raw)[0]
    return label


async def status_of(call: object) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call  # type: ignore[misc]
    code: grpc.StatusCode = raised.value.code()
    return code


async def test_what_is_submitted_is_answered_by_the_same_engine(platform: Platform) -> None:
    stubs = platform.stubs

    async def ask(age: int) -> bool:
        answer = await awaited(stubs, await submitted(stubs, question(age, id=str(age))))
        assert answer.id == str(age)
        assert [one.member for one in answer.members] == ["reader", "counter"]
        return label_of(answer) == (b"dog" if age % 2 else b"cat")

    assert all(await asyncio.gather(*map(ask, range(60))))


async def test_a_stored_error_is_raised_as_what_it_was(platform: Platform) -> None:
    stubs = platform.stubs
    poison = await submitted(stubs, question(5000))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await awaited(stubs, poison)
    error = error_from_rpc(raised.value)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.reasons == {0: "age 5000 is no age"}  # type: ignore[attr-defined]
    wrong = pb.PredictRequest(ensemble="pets", inputs=[tensor_message("size", np.array([1.0]))])
    assert await status_of(awaited(stubs, await submitted(stubs, wrong))) is grpc.StatusCode.INVALID_ARGUMENT


async def test_one_idempotency_key_stands_for_one_request(platform: Platform) -> None:
    stubs = platform.stubs
    first = await submitted(stubs, question(1), idempotency_key="k1")
    assert label_of(await awaited(stubs, first)) == b"dog"
    assert await submitted(stubs, question(1), idempotency_key="k1") == first
    assert label_of(await awaited(stubs, first)) == b"dog"


async def test_what_can_never_be_answered_is_refused_at_once(platform: Platform) -> None:
    stubs = platform.stubs
    unknown = pb.PredictRequest(ensemble="nobody", inputs=question(1).inputs)
    assert await status_of(submitted(stubs, unknown)) is grpc.StatusCode.NOT_FOUND
    assert await status_of(submitted(stubs, pb.PredictRequest(ensemble="pets"))) is grpc.StatusCode.INVALID_ARGUMENT
    assert await status_of(awaited(stubs, "f" * 32)) is grpc.StatusCode.NOT_FOUND
    too_long = submitted(stubs, question(1), time_to_live_seconds=1e9)
    assert await status_of(too_long) is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_request_waits_for_its_members_past_its_callers_deadline(platform: Platform) -> None:
    house, stubs = platform.house, platform.stubs
    house.reader.error = house.counter.error = Unavailable("down for a while")
    request_id = await submitted(stubs, question(3))
    await wait_until_async(lambda: house.counter.batches, describe="the pool has asked the member")
    assert await status_of(awaited(stubs, request_id, timeout=0.3)) is grpc.StatusCode.DEADLINE_EXCEEDED
    house.reader.error = house.counter.error = None
    assert label_of(await awaited(stubs, request_id)) == b"dog"


async def test_a_request_that_breaks_every_model_is_given_up(platform: Platform) -> None:
    platform.house.reader.error = platform.house.counter.error = MemberError("division by zero")
    request_id = await submitted(platform.stubs, question(3))
    assert await status_of(awaited(platform.stubs, request_id)) is grpc.StatusCode.UNAVAILABLE


async def test_an_id_or_key_that_sql_cannot_hold_is_refused_alone(platform: Platform) -> None:
    stubs = platform.stubs
    for request_id in ("a\x00b", "x" * 100_000, "é" * 32):
        assert await status_of(awaited(stubs, request_id, 5)) is grpc.StatusCode.NOT_FOUND
    kept = submitted(stubs, question(3), idempotency_key="a\x00b")
    assert await status_of(kept) is grpc.StatusCode.INVALID_ARGUMENT
