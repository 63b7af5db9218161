"""Where a fit registers what it made, and how it waits until that is served."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import grpc

from quorate.artifacts import ArtifactStore, member_of
from quorate.db import Database, EvaluationStore, RegistryStore, migrate, open_database
from quorate.ensemble import Member
from quorate.errors import AlreadyExists, Conflict, Unavailable
from quorate.rpc.inference import grpc_service_pb2 as pb
from quorate.rpc.inference import grpc_service_pb2_grpc as rpc
from quorate.settings import Settings
from services.tuner.evaluation import Scores
from services.tuner.exporting import ArtifactMaker
from services.tuner.progress import Progress

SERVED_SECONDS = 60.0
PROBE_SECONDS = 2.0
PERIOD_SECONDS = 0.25
RACES = 5


@dataclass(frozen=True)
class Platform:
    """SQL and store. `serves`: workers run, so that a new ensemble waits until its members are ready."""

    database: Database
    store_url: str
    serves: bool
    max_message_bytes: int

    @property
    def registry(self) -> RegistryStore:
        return RegistryStore(self.database)

    @property
    def evaluations(self) -> EvaluationStore:
        return EvaluationStore(self.database)


def open_platform(settings: Settings, *, serves: bool) -> Platform:
    """Open the settings' database, at this version's schema, and the store."""
    database = open_database(settings.resolved_database_url)
    migrate(database)
    return Platform(database, settings.resolved_store_url.rstrip("/"), serves, settings.max_message_bytes)


def register_member(platform: Platform, name: str, make: ArtifactMaker, metrics: dict[str, float]) -> Member:
    """Put the artifact and register it as the name's next version; who else registers meanwhile gets another."""
    for _ in range(RACES):
        artifact = make(name, platform.registry.next_member_version(name))
        stored = ArtifactStore(platform.store_url).put(artifact)
        try:
            return platform.registry.add_member(
                member_of(artifact.manifest),
                source="artifact",
                artifact_url=stored.url,
                artifact_digest=stored.digest,
                metrics=metrics,
            )
        except AlreadyExists:
            continue
    raise Conflict(f"others keep registering versions of member {name!r}; try again when their fits have ended")


def add_evaluation(
    platform: Platform, kind: str, name: str, version: int, digest: str, part: str, scores: Scores
) -> None:
    """Keep what one version reached on one part of the data set."""
    platform.evaluations.add(kind, name, version, digest, part, scores.rows, scores.metrics)


def wait_until_served(platform: Platform, members: Iterable[Member], progress: Progress) -> None:
    """Return once each member's version is ready at one of its endpoints; Unavailable after a minute."""
    waiting = list(members)
    give_up = time.monotonic() + SERVED_SECONDS
    while platform.serves and waiting:
        endpoints = platform.registry.endpoints()
        waiting = [m for m in waiting if not any(_is_ready(address, m) for address in endpoints.get(m.name, ()))]
        progress("waiting until the members are served", 0.0)
        if waiting and time.monotonic() > give_up:
            names = ", ".join(f"{m.name}:{m.version}" for m in waiting)
            raise Unavailable(
                f"no worker serves {names} after {SERVED_SECONDS:.0f} s, so no ensemble of them is registered; "
                f"start one (`python -m services.{waiting[0].views[0]} --member {waiting[0].name}`), and fit again"
            )
        time.sleep(PERIOD_SECONDS if waiting else 0)


def _stub(channel: grpc.Channel) -> rpc.GRPCInferenceServiceStub:
    return rpc.GRPCInferenceServiceStub(channel)  # type: ignore[no-untyped-call]


def _is_ready(address: str, member: Member) -> bool:
    request = pb.ModelReadyRequest(name=member.model or member.name, version=member.model_version)
    with grpc.insecure_channel(address) as channel:
        try:
            return bool(_stub(channel).ModelReady(request, timeout=PROBE_SECONDS).ready)
        except grpc.RpcError:
            return False
