"""Real worker processes for tests: members put into a home's store and registry, and served from there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from quorate.artifacts import Artifact, ArtifactStore, member_of
from quorate.db import RegistryStore, migrate, open_database
from quorate.rpc.inference import grpc_service_pb2 as pb
from quorate.rpc.inference import grpc_service_pb2_grpc as rpc
from tests.support.servers import wait_until


@dataclass(frozen=True)
class Home:
    """A platform's home with a migrated database and an empty store."""

    path: Path

    @property
    def registry(self) -> RegistryStore:
        return RegistryStore(open_database(f"sqlite:///{self.path / 'quorate.db'}"))

    def register(self, artifact: Artifact) -> Path:
        """Store the artifact and register its member; the artifact's folder."""
        stored = ArtifactStore((self.path / "store").as_uri()).put(artifact)
        self.registry.add_member(
            member_of(artifact.manifest), source="artifact", artifact_url=stored.url, artifact_digest=stored.digest
        )
        return Path(stored.url.removeprefix("file://"))


@dataclass
class Worker:
    """A worker process and a client of it."""

    process: subprocess.Popen[str]
    address: str
    log: Path
    stub: Any

    def stop(self) -> int:
        """Ask it to end, and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def infer(self, request: pb.ModelInferRequest, timeout: float = 20.0) -> pb.ModelInferResponse:
        response: pb.ModelInferResponse = self.stub.ModelInfer(request, timeout=timeout)
        return response

    def wait_ready(self, model: str, version: str = "") -> None:
        def ready() -> bool:
            try:
                return bool(self.stub.ModelReady(pb.ModelReadyRequest(name=model, version=version), timeout=5).ready)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.NOT_FOUND:  # type: ignore[attr-defined]
                    raise
                return False

        wait_until(ready, 30, f"{model}:{version} is ready; {self.log.read_text()}")


def open_home(path: Path) -> Home:
    """Migrate the database of an empty home."""
    path.mkdir(parents=True, exist_ok=True)
    migrate(open_database(f"sqlite:///{path / 'quorate.db'}"))
    return Home(path)


@contextmanager
def worker(home: Home, member: str, view: str = "tabular", **settings: object) -> Iterator[Worker]:
    """Start `python -m services.VIEW` on a free port, and stop it at the end."""
    environment = {f"QUORATE_{name.upper()}": str(value) for name, value in settings.items()}
    log = home.path / f"{member}-{view}.log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", f"services.{view}", "--member", member, "--listen", "127.0.0.1:0"],
            env=os.environ | {"QUORATE_HOME": str(home.path), "QUORATE_LOG_FORMAT": "json"} | environment,
            stderr=stderr,
            text=True,
        )
    try:
        address = wait_until(lambda: _address(process, log), 30, "the worker logs its address")
        with grpc.insecure_channel(address) as channel:
            yield Worker(process, address, log, rpc.GRPCInferenceServiceStub(channel))  # type: ignore[no-untyped-call]
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[str], log: Path) -> str:
    assert process.poll() is None, log.read_text()
    for line in log.read_text().splitlines():
        if '"serving"' in line and line.endswith("}"):
            return str(json.loads(line)["address"])
    return ""
