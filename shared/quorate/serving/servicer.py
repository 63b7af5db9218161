"""The Open Inference Protocol as a worker serves it."""

# The generated base class names the methods and what they are given.
# ruff: noqa: ARG002, N802

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import version as package_version
from typing import Any, TypeVar

from quorate.ensemble import Member, OutputBinding, Task
from quorate.errors import InvalidInput, Unavailable
from quorate.oip.messages import check_outputs, infer_response, read_inputs, rows_of, selected
from quorate.rpc.inference import grpc_service_pb2 as pb
from quorate.rpc.inference import grpc_service_pb2_grpc as rpc
from quorate.serving.admission import Runner
from quorate.serving.model import ServedModel
from quorate.serving.repository import Entry, Repository, State

T = TypeVar("T")
SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
IGNORED_PARAMETERS = frozenset({"unload_dependents"})


class WorkerServicer(rpc.GRPCInferenceServiceServicer):
    """One member's versions over OIP; its methods raise domain errors, which the interceptor translates."""

    def __init__(
        self, repository: Repository[Any, ServedModel], runner: Runner, max_rows: int, refresh: Callable[[], None]
    ) -> None:
        self._repository = repository
        self._runner = runner
        self._max_rows = max_rows
        self._refresh = refresh
        self._draining = False

    def drain(self) -> None:
        """Say that this server is not ready from now on; calls are still answered."""
        self._draining = True

    async def ModelInfer(self, request: pb.ModelInferRequest, context: Any) -> pb.ModelInferResponse:
        model = self._repository.get(request.model_name, request.model_version)
        check_outputs((output.name for output in request.outputs), (model.member.output.tensor,))
        columns = read_inputs(request)
        rows = rows_of(columns, self._max_rows)
        outputs = await self._runner.run(partial(model.predict, columns), model.row_seconds * rows)
        return infer_response(request.model_name, model.version, selected(outputs, request), request.id)

    async def ServerLive(self, request: pb.ServerLiveRequest, context: Any) -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: pb.ServerReadyRequest, context: Any) -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=self._repository.ready and not self._draining)

    async def ModelReady(self, request: pb.ModelReadyRequest, context: Any) -> pb.ModelReadyResponse:
        ready = self._repository.is_ready(request.name, request.version)
        return pb.ModelReadyResponse(ready=ready and not self._draining)

    async def ServerMetadata(self, request: pb.ServerMetadataRequest, context: Any) -> pb.ServerMetadataResponse:
        version = package_version("quorate")
        return pb.ServerMetadataResponse(name="quorate-worker", version=version, extensions=["model_repository"])

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, context: Any) -> pb.ModelMetadataResponse:
        model = self._repository.get(request.name, request.version)
        versions = [str(entry.source.number) for entry in self._repository.entries if entry.model is not None]
        return member_metadata(model.member, versions, model.platform)

    async def RepositoryIndex(self, request: pb.RepositoryIndexRequest, context: Any) -> pb.RepositoryIndexResponse:
        _check_repository(request.repository_name)
        entries = (entry for entry in self._repository.entries if entry.state is State.READY or not request.ready)
        return pb.RepositoryIndexResponse(models=[_index(self._repository.name, entry) for entry in entries])

    async def RepositoryModelLoad(
        self, request: pb.RepositoryModelLoadRequest, context: Any
    ) -> pb.RepositoryModelLoadResponse:
        await asyncio.to_thread(self._refresh)
        for number in self._named_versions(request):
            await asyncio.to_thread(self._repository.load, number)
        return pb.RepositoryModelLoadResponse()

    async def RepositoryModelUnload(
        self, request: pb.RepositoryModelUnloadRequest, context: Any
    ) -> pb.RepositoryModelUnloadResponse:
        for number in self._named_versions(request):
            await asyncio.to_thread(self._repository.unload, number)
        return pb.RepositoryModelUnloadResponse()

    def _named_versions(self, request: Any) -> Iterable[int]:
        """The version that the request's parameter names, or all of them, newest first."""
        _check_repository(request.repository_name)
        self._repository.is_ready(request.model_name, "")
        unknown = set(request.parameters) - {"version"} - IGNORED_PARAMETERS
        if unknown:
            raise InvalidInput(f"parameter {', '.join(sorted(unknown))} is not known here; give `version` alone")
        if "version" in request.parameters:
            return [_version_number(request.parameters["version"])]
        numbers = [entry.source.number for entry in reversed(self._repository.entries)]
        if not numbers:
            raise Unavailable(f"{request.model_name} has no version yet; register one")
        return numbers


def member_metadata(member: Member, versions: Iterable[str], platform: str) -> pb.ModelMetadataResponse:
    """Describe a member as an OIP model; labels (JSON), task and views stand in the properties."""
    response = pb.ModelMetadataResponse(name=member.name, versions=versions, platform=platform)
    for binding in member.inputs:
        response.inputs.add(name=binding.tensor, datatype=binding.datatype, shape=[-1])
    response.outputs.add(name=member.output.tensor, datatype="FP32", shape=_output_shape(member, member.output))
    response.properties["labels"] = json.dumps(list(member.labels), ensure_ascii=False)
    response.properties["task"] = member.task.value
    response.properties["views"] = ",".join(member.views)
    return response


def _output_shape(member: Member, output: OutputBinding) -> list[int]:
    return [-1] if member.task is Task.REGRESSION or output.kind == "value" else [-1, len(member.labels)]


def _index(name: str, entry: Entry[Any, Any]) -> pb.RepositoryIndexResponse.ModelIndex:
    return pb.RepositoryIndexResponse.ModelIndex(
        name=name, version=str(entry.source.number), state=entry.state.value, reason=entry.reason
    )


def _check_repository(name: str) -> None:
    if name:
        raise InvalidInput(f"there is no repository {name!r}; a worker has one, so leave repository_name empty")


def _version_number(parameter: pb.ModelRepositoryParameter) -> int:
    choice = parameter.WhichOneof("parameter_choice")
    value = getattr(parameter, choice) if choice in ("int64_param", "string_param") else None
    try:
        return int(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InvalidInput(f"parameter version is {value!r}; give a version's number as int64 or string") from None
