"""A worker's life: without a version, with new ones, overloaded, with a tampered artifact, and ended by SIGTERM."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from quorate.errors import DeadlineExceeded, Overloaded, QuorateError
from quorate.oip import infer_request, read_outputs
from quorate.rpc.inference import grpc_service_pb2 as pb
from quorate.serving.onnx_import import import_onnx
from quorate.statuses import error_from_rpc
from tests.support.onnx_models import linear_model
from tests.support.servers import wait_until
from tests.support.workers import Home, Worker, open_home, worker

LABELS = ("a", "b", "c")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return open_home(tmp_path)


def artifact(version: int = 1, slow: int = 0) -> Any:
    model = linear_model(slow=slow, seed=version)
    return import_onnx(model, name="tab", version=version, view="tabular", labels=LABELS)


def request(rows: int = 1, version: str = "") -> pb.ModelInferRequest:
    return infer_request("tab", version, [(f"x{index}", "FP64", np.ones(rows)) for index in range(3)])


def failure(served: Worker, version: str = "") -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        served.infer(request(version=version))
    error: Any = caught.value
    return error.code(), error.details()


def health(served: Worker) -> int:
    with grpc.insecure_channel(served.address) as channel:
        return int(health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5).status)


def index(served: Worker) -> dict[str, tuple[str, str]]:
    models = served.stub.RepositoryIndex(pb.RepositoryIndexRequest()).models
    return {model.version: (model.state, model.reason) for model in models}


def change(served: Worker, action: str, version: int | None = None) -> None:
    message = getattr(pb, f"RepositoryModel{action}Request")(model_name="tab")
    if version is not None:
        message.parameters["version"].int64_param = version
    getattr(served.stub, f"RepositoryModel{action}")(message, timeout=20)


def test_versions_appear_load_unload_and_load_again_without_a_restart(home: Home) -> None:
    with worker(home, "tab") as served:
        assert served.stub.ServerLive(pb.ServerLiveRequest()).live
        assert not served.stub.ServerReady(pb.ServerReadyRequest()).ready
        assert health(served) == health_pb2.HealthCheckResponse.NOT_SERVING
        assert failure(served)[0] is grpc.StatusCode.UNAVAILABLE

        home.register(artifact(1))
        served.wait_ready("tab")
        wait_until(lambda: health(served) == health_pb2.HealthCheckResponse.SERVING)
        first = read_outputs(served.infer(request()))["probabilities"]

        home.register(artifact(2))
        served.wait_ready("tab", "2")
        assert served.infer(request()).model_version == "2"
        assert (read_outputs(served.infer(request(version="1")))["probabilities"] == first).all()

        change(served, "Unload", 2)
        assert index(served) == {"1": ("READY", ""), "2": ("UNAVAILABLE", "unloaded")}
        assert failure(served, "2")[0] is grpc.StatusCode.UNAVAILABLE
        assert served.infer(request()).model_version == "1"
        change(served, "Unload")
        assert not served.stub.ServerReady(pb.ServerReadyRequest()).ready
        change(served, "Load")
        assert set(index(served).values()) == {("READY", "")}

        home.register(artifact(3))
        change(served, "Load", 3)
        assert served.infer(request()).model_version == "3"
        with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
            change(served, "Load", 9)
        assert served.stop() == 0


def test_a_tampered_artifact_and_a_model_that_does_not_fit_are_refused_and_the_others_serve(home: Home) -> None:
    home.register(artifact(1))
    folder = home.register(artifact(2))
    (folder / "model.onnx").write_bytes(linear_model(seed=9))
    spoilt = artifact(3)
    home.register(type(spoilt)(spoilt.manifest, {**spoilt.files, "model.onnx": linear_model(features=5)}))
    with worker(home, "tab") as served:
        served.wait_ready("tab", "1")
        wait_until(lambda: {state for state, _ in index(served).values()} == {"READY", "UNAVAILABLE"})
        states = index(served)
        assert "sha256" in states["2"][1]
        assert "cannot be filled by 'features' of shape [N, 3]" in states["3"][1]
        code, message = failure(served, "2")
        assert (code, "sha256" in message) == (grpc.StatusCode.UNAVAILABLE, True)
        with pytest.raises(grpc.RpcError, match="DATA_LOSS"):
            change(served, "Load", 2)
        assert served.infer(request()).model_version == "1"


def test_a_worker_of_another_view_refuses_the_member(home: Home) -> None:
    home.register(artifact(1))
    with worker(home, "tab", view="text") as served:
        wait_until(lambda: "this worker serves text" in index(served).get("1", ("", ""))[1])
        assert served.stub.ServerLive(pb.ServerLiveRequest()).live


def outcomes(calls: list[Any]) -> list[QuorateError | None]:
    found: list[QuorateError | None] = []
    for call in calls:
        try:
            call.result()
            found.append(None)
        except grpc.RpcError as error:
            found.append(error_from_rpc(error))
    return found


def test_a_full_worker_refuses_says_when_to_come_back_and_stays_responsive(home: Home) -> None:
    home.register(artifact(1, slow=200))
    with worker(home, "tab", max_concurrency=1, max_queue=2) as served:
        served.wait_ready("tab")
        calls = [served.stub.ModelInfer.future(request(rows=256), timeout=60) for _ in range(12)]
        started = time.monotonic()
        assert served.stub.ServerLive(pb.ServerLiveRequest(), timeout=5).live
        assert time.monotonic() - started < 1
        ended = outcomes(calls)
        refused = [error for error in ended if isinstance(error, Overloaded)]
        assert 3 <= ended.count(None) < 12
        assert len(refused) + ended.count(None) == 12
        assert all(error.retry_after_seconds for error in refused)
        assert served.infer(request()).outputs


def test_callers_that_hang_up_or_run_out_of_time_leave_the_queue(home: Home) -> None:
    home.register(artifact(1, slow=200))
    with worker(home, "tab", max_concurrency=1, max_queue=2) as served:
        served.wait_ready("tab")
        running = served.stub.ModelInfer.future(request(rows=2048), timeout=60)
        late = [served.stub.ModelInfer.future(request(rows=8), timeout=0.1) for _ in range(2)]
        assert [type(error) for error in outcomes(late)] == [DeadlineExceeded] * 2
        hanging = [served.stub.ModelInfer.future(request(rows=8), timeout=60) for _ in range(2)]
        for call in hanging:
            call.cancel()
        waiting = [served.stub.ModelInfer.future(request(rows=8), timeout=60) for _ in range(2)]
        assert outcomes([running, *waiting]) == [None, None, None]


def test_sigterm_lets_accepted_work_end_and_exits_cleanly(home: Home) -> None:
    home.register(artifact(1, slow=200))
    with worker(home, "tab", max_concurrency=1) as served, grpc.insecure_channel(served.address) as channel:
        served.wait_ready("tab")
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        calls = [served.stub.ModelInfer.future(request(rows=1024), timeout=60) for _ in range(2)]
        wait_until(lambda: served.stub.ServerLive(pb.ServerLiveRequest(), timeout=5).live)
        started = time.monotonic()
        assert served.stop() == 0
        assert time.monotonic() - started < 9
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert outcomes(calls) == [None, None]
        log = served.log.read_text()
        assert '"stopped"' in log
        assert "Traceback" not in log


def test_a_worker_waits_for_a_registry_that_is_not_there_yet(tmp_path: Path) -> None:
    with worker(Home(tmp_path), "tab") as served:
        wait_until(lambda: "registry_not_read" in served.log.read_text())
        open_home(tmp_path).register(artifact(1))
        served.wait_ready("tab")


def test_an_address_that_is_taken_is_an_error_of_one_line(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for listen in ("nonsense", f"127.0.0.1:{taken.getsockname()[1]}"):
            command = [sys.executable, "-m", "services.tabular", "--member", "tab", "--listen", listen]
            environment = os.environ | {"QUORATE_HOME": str(home.path), "GRPC_VERBOSITY": "NONE"}
            ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
            assert ended.returncode == 2
            assert ended.stderr.startswith("error: ")
            assert "HOST:PORT" in ended.stderr or "taken" in ended.stderr
            assert len(ended.stderr.strip().splitlines()) == 1
