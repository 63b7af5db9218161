"""The queue as it really runs: pool and gateway processes, Redis and SQLite, in front of scripted members."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from quorate.db import JobStore, RegistryStore, RequestStore, migrate, open_database
from quorate.ensemble import Columns, Ensemble, FloatArray, Policy, Task
from quorate.errors import InvalidRows
from quorate.rpc.quorate.v1 import answers_pb2_grpc, jobs_pb2_grpc, registry_pb2_grpc
from quorate.settings import Settings
from tests.support.members import LABELS, ScriptedMember, serving, table_member, text_member
from tests.support.servers import wait_until_async

START_SECONDS = 60.0


def odd_ages_are_dogs(columns: Columns) -> FloatArray:
    """A model whose answer can be checked row by row; an age above 1000 is a row that it cannot read."""
    ages = columns["age"]
    if (bad := np.flatnonzero(ages > 1000)).size:
        raise InvalidRows({int(row): f"age {ages[row]:g} is no age" for row in bad})
    dog = (ages % 2 == 1).astype(np.float32)
    return np.stack([0.9 - 0.8 * dog, 0.1 + 0.8 * dog], axis=1)


def longer_is_dog(columns: Columns) -> FloatArray:
    """A second opinion, from the text: its length's parity, less sure than the table's."""
    dog = np.array([len(text) % 2 for text in columns["text"]], dtype=np.float32)
    return np.stack([0.6 - 0.2 * dog, 0.4 + 0.2 * dog], axis=1)


@dataclass
class QueueHouse:
    """A home with scripted members registered as the ensemble `pets`, and processes that a test starts in it."""

    home: Path
    environment: Mapping[str, str]
    reader: ScriptedMember = field(default_factory=lambda: ScriptedMember(longer_is_dog))
    counter: ScriptedMember = field(default_factory=lambda: ScriptedMember(odd_ages_are_dogs))

    def __post_init__(self) -> None:
        self.database = open_database(f"sqlite:///{self.home / 'quorate.db'}")
        migrate(self.database)
        self.registry, self.jobs = RegistryStore(self.database), JobStore(self.database)
        self.requests = RequestStore(self.database)

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home)

    def register(self, addresses: Mapping[str, str], lineage: Mapping[str, Any] | None = None) -> Ensemble:
        members = (text_member(), table_member())
        for member in members:
            self.registry.add_member(member, source="endpoint")
            self.registry.add_endpoint(member.name, addresses[member.name])
        policy = Policy(deadline_seconds=1.0)
        return self.registry.add_ensemble(
            Ensemble("pets", 1, Task.CLASSIFICATION, LABELS, members, policy=policy), lineage
        )

    @contextmanager
    def process(self, *arguments: str, name: str) -> Iterator[CoordinatorProcess]:
        """Run `python -m services.coordinator ...`; stopped at the end of the block if it still runs."""
        log = self.home / f"{name}.log"
        with log.open("a") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "services.coordinator", *arguments],
                env={**os.environ, **self.environment, "QUORATE_HOME": str(self.home), "QUORATE_LOG_FORMAT": "json"},
                stdout=stderr,
                stderr=stderr,
            )
        running = CoordinatorProcess(process, log)
        try:
            yield running
        finally:
            running.stop()

    def pool(self, name: str = "pool") -> contextlib.AbstractContextManager[CoordinatorProcess]:
        return self.process("pool", name=name)

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[Stubs]:
        """Run a gateway, and give its `quorate.v1` stubs once it serves `pets`."""
        with self.process("gateway", "--listen", "127.0.0.1:0", name="gateway") as process:
            address = await wait_until_async(process.address, START_SECONDS, "the gateway logs its address")
            async with grpc.aio.insecure_channel(address) as channel:
                stubs = Stubs(channel)
                await wait_until_async(lambda: stubs.ready("pets"), START_SECONDS, "pets is ready")
                yield stubs


@dataclass
class CoordinatorProcess:
    """A gateway or pool process and its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def address(self) -> str:
        assert self.process.poll() is None, self.log.read_text()
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return next((str(line["address"]) for line in lines if "address" in line), "")

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """Ask it to end, and return its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait(10)


class Stubs:
    """Everything that a gateway offers by `quorate.v1`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.answers: Any = answers_pb2_grpc.AnswersStub(channel)  # type: ignore[no-untyped-call]
        self.jobs: Any = jobs_pb2_grpc.JobsStub(channel)  # type: ignore[no-untyped-call]
        self.files: Any = jobs_pb2_grpc.FilesStub(channel)  # type: ignore[no-untyped-call]
        self.registry: Any = registry_pb2_grpc.RegistryStub(channel)  # type: ignore[no-untyped-call]
        self.fits: Any = registry_pb2_grpc.FitsStub(channel)  # type: ignore[no-untyped-call]

    async def ready(self, ensemble: str) -> bool:
        from quorate.rpc.quorate.v1 import registry_pb2 as pb

        try:
            listed = await self.registry.ListEnsembles(pb.ListEnsemblesRequest(), timeout=5)
        except grpc.aio.AioRpcError:
            return False
        return any(one.name == ensemble and one.ready for one in listed.ensembles)


@asynccontextmanager
async def queue_house(
    home: Path, broker_url: str, lineage: Mapping[str, Any] | None = None
) -> AsyncIterator[QueueHouse]:
    """Serve the two members in this loop and register them; leases last one second."""
    environment = {"QUORATE_BROKER_URL": broker_url, "QUORATE_LEASE_SECONDS": "1"}
    house = QueueHouse(home, environment)
    async with AsyncExitStack() as stack:
        reader = await stack.enter_async_context(serving(house.reader))
        counter = await stack.enter_async_context(serving(house.counter))
        house.register({"reader": reader, "counter": counter}, lineage)
        try:
            yield house
        finally:
            house.database.close()
