"""Small OIP servers that play a member in tests: right, slow, failing, refusing, dying, as a test scripts them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np

from quorate.ensemble import Columns, FloatArray, InputBinding, Member, OutputBinding, Task
from quorate.errors import QuorateError
from quorate.oip.messages import infer_response, read_inputs
from quorate.rpc.inference import grpc_service_pb2 as pb
from quorate.rpc.inference import grpc_service_pb2_grpc as rpc
from quorate.serving.errors import ErrorInterceptor

LABELS = ("cat", "dog")


def says(cat: float) -> Callable[[Columns], FloatArray]:
    """A model that gives every row the same probabilities."""
    return lambda columns: np.tile(np.array([cat, 1 - cat], dtype=np.float32), (len(next(iter(columns.values()))), 1))


@dataclass
class ScriptedMember(rpc.GRPCInferenceServiceServicer):
    """One model; a test may change every field while it serves."""

    model: Callable[[Columns], FloatArray] = field(default_factory=lambda: says(0.9))
    delay_seconds: float = 0.0
    error: QuorateError | None = None
    ready: bool = True
    output: str = "probabilities"
    batches: list[Columns] = field(default_factory=list)
    cancelled: int = 0

    async def ModelInfer(self, request: pb.ModelInferRequest, context: Any) -> pb.ModelInferResponse:  # noqa: N802
        columns = read_inputs(request)
        self.batches.append(columns)
        try:
            await asyncio.sleep(self.delay_seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return infer_response(request.model_name, request.model_version, {self.output: self.model(columns)}, request.id)

    async def ModelReady(self, request: pb.ModelReadyRequest, context: Any) -> pb.ModelReadyResponse:  # noqa: N802
        return pb.ModelReadyResponse(ready=self.ready)

    @property
    def rows(self) -> list[int]:
        """How many rows each call held."""
        return [len(next(iter(columns.values()))) for columns in self.batches]


@asynccontextmanager
async def serving(member: ScriptedMember, address: str = "127.0.0.1:0") -> AsyncIterator[str]:
    """Serve the member on a port of its own, yielding HOST:PORT; leaving the block drops every connection."""
    server = grpc.aio.server(interceptors=[ErrorInterceptor()], options=[("grpc.so_reuseport", 0)])
    rpc.add_GRPCInferenceServiceServicer_to_server(member, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def text_member(name: str = "reader", version: int = 1, labels: tuple[str, ...] = LABELS) -> Member:
    return Member(name, version, ("text",), Task.CLASSIFICATION, labels, (InputBinding("text", "BYTES", ("text",)),))


def image_member(name: str = "viewer", version: int = 1) -> Member:
    return Member(name, version, ("image",), Task.CLASSIFICATION, LABELS, (InputBinding("image", "BYTES", ("image",)),))


def table_member(name: str = "counter", version: int = 1) -> Member:
    inputs = (InputBinding("age", "FP64", ("age",)), InputBinding("colour", "BYTES", ("colour",)))
    return Member(name, version, ("tabular",), Task.CLASSIFICATION, LABELS, inputs)


def matrix_member(name: str = "stranger") -> Member:
    """A foreign server's model: a matrix of two columns in, logits of another name out."""
    return Member(
        name,
        1,
        ("tabular",),
        Task.CLASSIFICATION,
        LABELS,
        (InputBinding("X", "FP32", ("age", "weight"), "matrix"),),
        OutputBinding("scores", "logits"),
        model="their-model",
    )


def bytes_cells(*values: bytes) -> np.ndarray[Any, Any]:
    """An object array [N] of bytes, also where there is one value."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
