"""Errors raised in a servicer reach the caller as statuses, in calls of every kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from quorate.errors import NotQuorate
from quorate.serving.errors import ErrorInterceptor, error_from_rpc

KINDS = ("unary_unary", "stream_unary", "unary_stream", "stream_stream", "written")


def fail(request: bytes) -> None:
    if request == b"domain":
        raise NotQuorate("2 of 3 are gone", 0.5)
    raise KeyError("secret")


async def first(request: Any) -> bytes:
    given: bytes = request if isinstance(request, bytes) else await anext(aiter(request))
    return given


async def coroutine(request: Any, context: Any) -> bytes:
    fail(await first(request))
    return b""


async def generator(request: Any, context: Any) -> AsyncIterator[bytes]:
    given = await first(request)
    yield b"first"
    fail(given)


async def written(request: Any, context: Any) -> None:
    await context.write(b"first")
    fail(request)


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    behaviours = {
        "unary_unary": grpc.unary_unary_rpc_method_handler(coroutine),
        "stream_unary": grpc.stream_unary_rpc_method_handler(coroutine),
        "unary_stream": grpc.unary_stream_rpc_method_handler(generator),
        "stream_stream": grpc.stream_stream_rpc_method_handler(generator),
        "written": grpc.unary_stream_rpc_method_handler(written),
    }
    server = grpc.aio.server(interceptors=[ErrorInterceptor()])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Errors", behaviours),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


async def ended(channel: grpc.aio.Channel, kind: str, request: bytes) -> tuple[list[bytes], grpc.aio.AioRpcError]:
    multicallable = getattr(channel, "unary_stream" if kind == "written" else kind)(f"/test.Errors/{kind}")
    call = multicallable(iter([request]) if kind.startswith("stream") else request)
    got: list[bytes] = []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await drained(call, got)
    return got, caught.value


async def drained(call: Any, got: list[bytes]) -> None:
    if not hasattr(call, "__aiter__"):
        await call
        return
    async for part in call:
        got.append(part)  # noqa: PERF401 - what came before the error is kept


@pytest.mark.parametrize("kind", KINDS)
async def test_a_domain_error_comes_back_as_itself(channel: grpc.aio.Channel, kind: str) -> None:
    got, error = await ended(channel, kind, b"domain")
    back = error_from_rpc(error)
    assert isinstance(back, NotQuorate)
    assert (str(back), back.retry_after_seconds) == ("2 of 3 are gone", 0.5)
    assert got == ([] if kind.endswith("unary") else [b"first"])


@pytest.mark.parametrize("kind", KINDS)
async def test_any_other_error_is_internal_and_says_nothing_of_itself(channel: grpc.aio.Channel, kind: str) -> None:
    _, error = await ended(channel, kind, b"bug")
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in str(error.details())


async def test_an_unknown_method_is_unimplemented(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary("/test.Errors/nothing")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
