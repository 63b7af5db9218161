"""Ensembles as models of the Open Inference Protocol: to any client of it, an ensemble is one model."""

# The generated base class names the methods and what they are given.
# ruff: noqa: ARG002, N802

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version as package_version
from typing import Any

import grpc

from quorate.ensemble import Answer, Ensemble, Status
from quorate.oip.messages import infer_response
from quorate.rpc.inference import grpc_service_pb2 as pb
from quorate.rpc.inference import grpc_service_pb2_grpc as rpc
from services.coordinator.engine import Catalog, Engine
from services.coordinator.engine.answer import MEMBERS, main_outputs
from services.coordinator.engine.inputs import PRESENT
from services.coordinator.gateway.deadlines import remaining_seconds
from services.coordinator.gateway.requests import RequestReader

SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
PLATFORM = "quorate_ensemble"


class EnsembleServicer(rpc.GRPCInferenceServiceServicer):
    """Every registered ensemble over OIP; its methods raise domain errors, which the interceptor translates."""

    def __init__(self, engine: Engine, catalog: Callable[[], Catalog]) -> None:
        self._engine = engine
        self._catalog = catalog
        self._reader = RequestReader()
        self._draining = False

    def drain(self) -> None:
        """Say that this server is not ready from now on; calls are still answered."""
        self._draining = True

    async def ModelInfer(self, request: pb.ModelInferRequest, context: Any) -> pb.ModelInferResponse:
        ensemble = self._catalog().resolve(request.model_name, request.model_version)
        request_id = request.id
        asked = self._reader.read(request)
        answer = await self._engine.answer(
            ensemble,
            asked.columns,
            timeout_seconds=remaining_seconds(context, asked.timeout_microseconds),
            outputs=asked.outputs,
        )
        return answer_response(answer, request_id)

    async def ServerLive(self, request: pb.ServerLiveRequest, context: Any) -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: pb.ServerReadyRequest, context: Any) -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=self._catalog().revision >= 0 and not self._draining)

    async def ModelReady(self, request: pb.ModelReadyRequest, context: Any) -> pb.ModelReadyResponse:
        ensemble = self._catalog().resolve(request.name, request.version)
        return pb.ModelReadyResponse(ready=not self._draining and self._engine.is_ready(ensemble))

    async def ServerMetadata(self, request: pb.ServerMetadataRequest, context: Any) -> pb.ServerMetadataResponse:
        return pb.ServerMetadataResponse(name="quorate", version=package_version("quorate"))

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, context: Any) -> pb.ModelMetadataResponse:
        catalog = self._catalog()
        ensemble = catalog.resolve(request.name, request.version)
        versions = [str(number) for number in sorted(catalog.versions[ensemble.name])]
        return ensemble_metadata(self._engine, ensemble, versions)

    async def RepositoryIndex(self, request: pb.RepositoryIndexRequest, context: Any) -> pb.RepositoryIndexResponse:
        response = pb.RepositoryIndexResponse()
        for ensemble in self._catalog().ensembles():
            ready = self._engine.is_ready(ensemble)
            if ready or not request.ready:
                state = "READY" if ready else "UNAVAILABLE"
                reason = "" if ready else "the members that are ready cannot reach the quorum"
                response.models.add(name=ensemble.name, version=str(ensemble.version), state=state, reason=reason)
        return response

    async def RepositoryModelLoad(self, request: pb.RepositoryModelLoadRequest, context: Any) -> Any:
        await _abort_unloadable(context)

    async def RepositoryModelUnload(self, request: pb.RepositoryModelUnloadRequest, context: Any) -> Any:
        await _abort_unloadable(context)


def answer_response(answer: Answer, request_id: str) -> pb.ModelInferResponse:
    """Write the answer raw; who is in it travels as response parameters."""
    response = infer_response(answer.ensemble, str(answer.version), answer.outputs, request_id)
    parameters = response.parameters
    parameters["quorate.version"].int64_param = answer.version
    parameters["quorate.degraded"].bool_param = answer.degraded
    for name, status in _LISTS:
        parameters[name].string_param = ",".join(one.member for one in answer.members if one.status is status)
    if reasons := {one.member: one.reason for one in answer.members if one.reason}:
        parameters["quorate.reasons"].string_param = json.dumps(reasons, ensure_ascii=False)
    if (quality := answer.expected_quality) is not None:
        stated = {name: getattr(quality, name) for name in ("metric", "value", "low", "high", "rows")}
        parameters["quorate.expected_quality"].string_param = json.dumps(stated)
    return response


_LISTS = (
    ("quorate.answered", Status.ANSWERED),
    ("quorate.missing", Status.MISSING_VIEW),
    ("quorate.late", Status.LATE),
    ("quorate.failed", Status.FAILED),
)


def ensemble_metadata(engine: Engine, ensemble: Ensemble, versions: list[str]) -> pb.ModelMetadataResponse:
    """Describe the ensemble as an OIP model; what the protocol has no field for stands in the properties."""
    response = pb.ModelMetadataResponse(name=ensemble.name, versions=versions, platform=PLATFORM)
    for tensor in engine.inputs_of(ensemble):
        shape = (-1,) if tensor.datatype == "BYTES" else tensor.shape
        response.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=shape)
    for name in main_outputs(ensemble.task):
        if name == "probabilities":
            response.outputs.add(name=name, datatype="FP32", shape=(-1, len(ensemble.labels)))
        else:
            response.outputs.add(name=name, datatype="BYTES" if name == "label" else "FP32", shape=(-1,))
    response.properties["labels"] = json.dumps(list(ensemble.labels), ensure_ascii=False)
    response.properties["task"] = ensemble.task.value
    response.properties["views"] = ",".join(ensemble.views)
    response.properties["version"] = str(ensemble.version)
    response.properties["optional_inputs"] = ",".join(view + PRESENT for view in ensemble.views)
    response.properties["optional_outputs"] = ",".join(MEMBERS + member.name for member in ensemble.members)
    return response


async def _abort_unloadable(context: Any) -> None:
    message = "ensembles are registered, not loaded; ask a member's worker to load or unload a model"
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, message)
