"""A load generator in a process of its own: `python -m tests.bench.load infer|queue ADDRESS REQUEST_FILE`.

`infer` sends one prepared ModelInferRequest as bytes and reads none of the reply, so that what is measured is the
server; `queue` sends a SubmitRequest, then awaits its answer. Prints one JSON object: p50 and p99 in milliseconds,
requests a second, and how many were answered (warm-up included) and failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import numpy as np
import uvloop

from quorate.rpc.quorate.v1 import answers_pb2 as v1

Call = Callable[[bytes], Awaitable[object]]


def infer(channel: grpc.aio.Channel) -> Call:
    call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

    async def ask(request: bytes) -> bytes:
        return await call(request, timeout=10)

    return ask


def submit_and_await(channel: grpc.aio.Channel) -> Call:
    submit = channel.unary_unary("/quorate.v1.Answers/Submit", response_deserializer=v1.SubmitReply.FromString)
    wait = channel.unary_unary("/quorate.v1.Answers/Await", request_serializer=v1.AwaitRequest.SerializeToString)

    async def ask(request: bytes) -> bytes:
        reply = await submit(request, timeout=10)
        return await wait(v1.AwaitRequest(request_id=reply.request_id), timeout=10)

    return ask


LANES: dict[str, Callable[[grpc.aio.Channel], Call]] = {"infer": infer, "queue": submit_and_await}


async def measure(lane: str, address: str, request: bytes, concurrency: int, seconds: float) -> dict[str, float]:
    """Keep `concurrency` callers busy for `seconds` after a warm-up of a fifth of that."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, own) for _ in range(min(concurrency, 4))]
    calls = [LANES[lane](channel) for channel in channels]
    latencies: list[float] = []
    answered = failures = 0
    begin = time.perf_counter() + seconds / 5
    end = begin + seconds

    async def caller(index: int) -> None:
        nonlocal answered, failures
        call = calls[index % len(calls)]
        while (started := time.perf_counter()) < end:
            try:
                await call(request)
            except grpc.aio.AioRpcError:
                failures += 1
                continue
            answered += 1
            if started >= begin:
                latencies.append(time.perf_counter() - started)

    await asyncio.gather(*(caller(index) for index in range(concurrency)))
    await asyncio.gather(*(channel.close() for channel in channels))
    p50, p99 = np.percentile(latencies, [50, 99]) * 1e3 if latencies else (float("nan"),) * 2
    return {
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "requests_per_second": len(latencies) / seconds,
        "answered": answered,
        "failed": failures,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("lane", choices=LANES)
    parser.add_argument("address")
    parser.add_argument("request", type=Path)
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    a = parser.parse_args()
    print(json.dumps(uvloop.run(measure(a.lane, a.address, a.request.read_bytes(), a.concurrency, a.seconds))))


if __name__ == "__main__":
    main()
