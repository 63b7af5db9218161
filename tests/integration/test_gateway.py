"""The gateway as a process of its own, before scripted members: what clients see of it, from start to drain."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from quorate.db import RegistryStore, open_database
from quorate.ensemble import Combiner, Ensemble, Policy, Task
from quorate.errors import MemberError
from quorate.oip.messages import infer_request, read_outputs
from quorate.rpc.inference import grpc_service_pb2 as pb
from quorate.rpc.inference import grpc_service_pb2_grpc as rpc
from quorate.rpc.quorate.v1 import answers_pb2, answers_pb2_grpc, registry_pb2, registry_pb2_grpc
from quorate.statuses import error_from_rpc
from services.coordinator.gateway.messages import tensor_message
from tests.support.members import (
    LABELS,
    ScriptedMember,
    bytes_cells,
    image_member,
    says,
    serving,
    table_member,
    text_member,
)
from tests.support.servers import free_port


@dataclass
class Gateway:
    """A running gateway, its registry, and the members behind it."""

    process: asyncio.subprocess.Process
    registry: RegistryStore
    members: dict[str, ScriptedMember]
    channel: grpc.aio.Channel

    @property
    def oip(self) -> Any:
        return rpc.GRPCInferenceServiceStub(self.channel)

    async def health(self, service: str) -> int:
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            return int((await health_pb2_grpc.HealthStub(self.channel).Check(request, wait_for_ready=True)).status)
        except grpc.aio.AioRpcError:
            return health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def pets(policy: Policy | None = None) -> Ensemble:
    members = (text_member(), image_member(), table_member())
    return Ensemble(
        "pets", 0, Task.CLASSIFICATION, LABELS, members, Combiner("soft_vote"), policy or Policy(deadline_seconds=5)
    )


@pytest.fixture
def database_in_home(home: Path, migrated_sqlite: Path) -> str:
    shutil.copy(migrated_sqlite, home / "quorate.db")
    return f"sqlite:///{home / 'quorate.db'}"


@pytest.fixture
async def gateway(database_in_home: str) -> AsyncIterator[Gateway]:
    """A gateway that serves `pets:1`, ready."""
    url = database_in_home
    database = open_database(url)
    registry = RegistryStore(database)
    async with AsyncExitStack() as stack:
        stack.callback(database.close)
        members: dict[str, ScriptedMember] = {}
        for member in pets().members:
            members[member.name] = ScriptedMember()
            registry.add_member(member, source="endpoint")
            registry.add_endpoint(member.name, await stack.enter_async_context(serving(members[member.name])))
        registry.add_ensemble(pets())
        address = f"127.0.0.1:{free_port()}"
        command = (sys.executable, "-m", "services.coordinator", "gateway", "--listen", address)
        broker = f"redis://127.0.0.1:{free_port()}/0"
        process = await asyncio.create_subprocess_exec(*command, "--database-url", url, "--broker-url", broker)
        stack.push_async_callback(ended, process)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
        there = Gateway(process, registry, members, channel)
        await until(lambda: is_serving(there, "pets"))
        yield there


async def ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


async def is_serving(gateway: Gateway, service: str) -> bool:
    return await gateway.health(service) == health_pb2.HealthCheckResponse.SERVING


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - another process has no event to wait on
            await asyncio.sleep(0.05)


def request(version: str = "", outputs: tuple[str, ...] = (), rows: int = 2, **changes: Any) -> pb.ModelInferRequest:
    columns: dict[str, tuple[str, Any]] = {
        "text": ("BYTES", bytes_cells(*[b"t"] * rows)),
        "image": ("UINT8", np.zeros((rows, 4, 4), np.uint8)),
        "age": ("FP64", np.ones(rows)),
        "colour": ("BYTES", bytes_cells(*[b"red"] * rows)),
        **changes,
    }
    tensors = [(name, *given) for name, given in columns.items() if given is not None]
    return infer_request("pets", version, tensors, outputs, id="seven")


async def test_any_oip_client_gets_one_merged_answer_that_says_who_is_in_it(gateway: Gateway) -> None:
    gateway.members["viewer"].model = says(0.3)
    for _ in range(2):  # decoded the first time, passed on raw the second
        response = await gateway.oip.ModelInfer(request())
        outputs = read_outputs(response)
        np.testing.assert_allclose(outputs["probabilities"], [[0.7, 0.3]] * 2, atol=1e-6)
        assert outputs["label"].tolist() == [b"cat"] * 2
        assert (response.model_name, response.model_version, response.id) == ("pets", "1", "seven")
        assert response.parameters["quorate.version"].int64_param == 1
        assert response.parameters["quorate.answered"].string_param == "reader,viewer,counter"
        assert not response.parameters["quorate.degraded"].bool_param
        assert not any(output.HasField("contents") for output in response.outputs)


async def test_without_an_image_and_with_a_failing_member_the_answer_says_so(gateway: Gateway) -> None:
    gateway.members["counter"].error = MemberError("out of beans")
    response = await gateway.oip.ModelInfer(request(image=None, outputs=("label", "members.*")))
    parameters = response.parameters
    assert parameters["quorate.answered"].string_param == "reader"
    assert parameters["quorate.missing"].string_param == "viewer"
    assert parameters["quorate.failed"].string_param == "counter"
    assert parameters["quorate.degraded"].bool_param
    assert "out of beans" in json.loads(parameters["quorate.reasons"].string_param)["counter"]
    assert [output.name for output in response.outputs] == [
        "label",
        "members.reader",
        "members.viewer",
        "members.counter",
    ]


async def test_typed_tensors_and_presence_mean_the_same_as_raw_ones(gateway: Gateway) -> None:
    typed = pb.ModelInferRequest(model_name="pets", model_version="live")
    typed.inputs.add(name="text", datatype="BYTES", shape=[1]).contents.bytes_contents.append(b"meow")
    typed.inputs.add(name="image.present", datatype="BOOL", shape=[1]).contents.bool_contents.append(False)
    response = await gateway.oip.ModelInfer(typed)
    assert response.parameters["quorate.missing"].string_param == "viewer,counter"


BAD: tuple[tuple[dict[str, Any], grpc.StatusCode, str], ...] = (
    ({"version": "9"}, grpc.StatusCode.NOT_FOUND, "no version '9'"),
    ({"version": "canary"}, grpc.StatusCode.NOT_FOUND, "no version 'canary'"),
    ({"outputs": ("logits",)}, grpc.StatusCode.INVALID_ARGUMENT, "no output 'logits'"),
    ({"sound": ("BYTES", bytes_cells(b"x", b"y"))}, grpc.StatusCode.INVALID_ARGUMENT, "no input 'sound'"),
    ({"age": ("FP64", np.ones(3))}, grpc.StatusCode.INVALID_ARGUMENT, "must agree"),
    ({"age": ("FP64", np.array([1, np.inf]))}, grpc.StatusCode.INVALID_ARGUMENT, "infinite"),
    ({"rows": 70_000, "image": None}, grpc.StatusCode.RESOURCE_EXHAUSTED, "limit of 65536"),
)


async def test_bad_input_gets_its_own_status_and_leaves_the_gateway_serving(gateway: Gateway) -> None:
    for change, code, told in BAD:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await gateway.oip.ModelInfer(request(**change))
        assert refused.value.code() is code
        assert told in str(refused.value.details())
        assert (await gateway.oip.ModelInfer(request())).model_name == "pets"


async def test_an_unknown_ensemble_is_not_found_by_any_call(gateway: Gateway) -> None:
    calls = (
        gateway.oip.ModelInfer(infer_request("birds", "", [])),
        gateway.oip.ModelReady(pb.ModelReadyRequest(name="birds")),
        gateway.oip.ModelMetadata(pb.ModelMetadataRequest(name="birds")),
    )
    for call in calls:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        assert "registered are pets" in str(refused.value.details())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await gateway.oip.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="pets"))
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_callers_own_time_counts_as_a_deadline_or_as_tritons_timeout(gateway: Gateway) -> None:
    for member in gateway.members.values():
        member.delay_seconds = 10
    timed = request()
    timed.parameters["timeout"].int64_param = 200_000
    with pytest.raises(grpc.aio.AioRpcError) as late:
        await gateway.oip.ModelInfer(timed)
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "reader late" in str(late.value.details())
    with pytest.raises(grpc.aio.AioRpcError) as late:
        await gateway.oip.ModelInfer(request(), timeout=0.2)
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_metadata_and_readiness_describe_the_ensemble(gateway: Gateway) -> None:
    metadata = await gateway.oip.ModelMetadata(pb.ModelMetadataRequest(name="pets"))
    assert metadata.versions == ["1"]
    assert {tensor.name: tensor.datatype for tensor in metadata.inputs} == {
        "text": "BYTES",
        "image": "BYTES",
        "age": "FP64",
        "colour": "BYTES",
    }
    assert [(output.name, output.datatype, list(output.shape)) for output in metadata.outputs] == [
        ("probabilities", "FP32", [-1, 2]),
        ("label", "BYTES", [-1]),
    ]
    assert json.loads(metadata.properties["labels"]) == list(LABELS)
    assert (await gateway.oip.ServerLive(pb.ServerLiveRequest())).live
    assert (await gateway.oip.ServerReady(pb.ServerReadyRequest())).ready
    assert (await gateway.oip.ServerMetadata(pb.ServerMetadataRequest())).name == "quorate"
    index = await gateway.oip.RepositoryIndex(pb.RepositoryIndexRequest())
    assert [(model.name, model.version, model.state) for model in index.models] == [("pets", "1", "READY")]
    for member in gateway.members.values():
        member.ready = False

    async def not_ready() -> bool:
        return not (await gateway.oip.ModelReady(pb.ModelReadyRequest(name="pets"))).ready

    await until(not_ready)
    await until(lambda: _unready(gateway))
    assert await is_serving(gateway, "")


async def _unready(gateway: Gateway) -> bool:
    return not await is_serving(gateway, "pets")


async def test_predict_gives_the_whole_answer_and_errors_keep_their_class(gateway: Gateway) -> None:
    stub: Any = answers_pb2_grpc.AnswersStub(gateway.channel)
    tensors = [tensor_message("text", bytes_cells(b"x")), tensor_message("age", np.array([2.0]))]
    for _ in range(2):
        answer = await stub.Predict(answers_pb2.PredictRequest(ensemble="pets", inputs=tensors, id="a"))
        assert (answer.ensemble, answer.version, answer.id) == ("pets", 1, "a")
        assert list(answer.labels) == list(LABELS)
        assert [report.status for report in answer.members] == [
            answers_pb2.ANSWERED,
            answers_pb2.MISSING_VIEW,
            answers_pb2.ANSWERED,
        ]
        assert [output.name for output in answer.outputs] == ["probabilities", "label"]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.Predict(answers_pb2.PredictRequest(ensemble="pets", inputs=[tensors[0], tensors[0]]))
    assert "given twice" in str(error_from_rpc(refused.value))


async def test_what_is_registered_is_seen_without_a_restart(gateway: Gateway) -> None:
    gateway.registry.add_ensemble(pets(Policy(deadline_seconds=5, required=("viewer",))))
    gateway.registry.set_alias("pets", "canary", 2)
    stub: Any = registry_pb2_grpc.RegistryStub(gateway.channel)

    async def both_versions() -> bool:
        listed = (await stub.ListEnsembles(registry_pb2.ListEnsemblesRequest())).ensembles
        return [(one.version, list(one.aliases)) for one in listed] == [(1, ["live"]), (2, ["canary"])]

    await until(both_versions, seconds=5)
    assert (await gateway.oip.ModelInfer(request())).model_version == "1"
    assert (await gateway.oip.ModelInfer(request("canary"))).model_version == "2"
    members = (await stub.ListMembers(registry_pb2.ListMembersRequest())).members
    assert [(member.name, member.ready, len(member.addresses)) for member in members] == [
        ("counter", True, 1),
        ("reader", True, 1),
        ("viewer", True, 1),
    ]


async def test_a_terminated_gateway_finishes_what_it_accepted_and_exits_cleanly(gateway: Gateway) -> None:
    gateway.members["reader"].delay_seconds = 1.0
    call = asyncio.ensure_future(gateway.oip.ModelInfer(request()))

    async def asked() -> bool:
        return bool(gateway.members["reader"].batches)

    await until(asked)
    gateway.process.send_signal(signal.SIGTERM)
    assert (await call).parameters["quorate.answered"].string_param == "reader,viewer,counter"
    assert await asyncio.wait_for(gateway.process.wait(), 20) == 0
