"""`quorate.v1.Answers`: now (Predict) from the engine, later (Submit, Await) from the queue."""

# The generated base class names the methods and what they are given.
# ruff: noqa: ARG002, N802

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quorate.rpc.quorate.v1 import answers_pb2 as pb
from quorate.rpc.quorate.v1 import answers_pb2_grpc as rpc
from services.coordinator.engine import Catalog, Engine
from services.coordinator.gateway.deadlines import remaining_seconds
from services.coordinator.gateway.messages import answer_message, read_tensors
from services.coordinator.queue.answers import Submissions


class AnswersServicer(rpc.AnswersServicer):
    """Both lanes behind one service."""

    def __init__(self, engine: Engine, catalog: Callable[[], Catalog], submissions: Submissions) -> None:
        self._engine = engine
        self._catalog = catalog
        self._submissions = submissions

    async def Predict(self, request: pb.PredictRequest, context: Any) -> pb.Answer:
        ensemble = self._catalog().resolve(request.ensemble, request.version)
        answer = await self._engine.answer(
            ensemble,
            read_tensors(request.inputs),
            timeout_seconds=remaining_seconds(context),
            outputs=request.outputs,
        )
        return answer_message(answer, request.id)

    async def Submit(self, request: pb.SubmitRequest, context: Any) -> pb.SubmitReply:
        return await self._submissions.submit(request)

    async def Await(self, request: pb.AwaitRequest, context: Any) -> pb.Answer:
        return await self._submissions.await_answer(request.request_id, remaining_seconds(context))
