"""A worker put together: one member, its versions from the registry and the store, served over OIP."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from quorate.artifacts import ArtifactStore
from quorate.db import RegistryStore, open_database
from quorate.errors import InvalidInput, MemberError, QuorateError
from quorate.rpc.inference import grpc_service_pb2_grpc as rpc
from quorate.serving.admission import Runner
from quorate.serving.follow import Follower
from quorate.serving.model import ServedModel, load_model
from quorate.serving.repository import Repository
from quorate.serving.server import Listener, build_server, run_server
from quorate.serving.servicer import SERVICE, WorkerServicer
from quorate.settings import Settings
from quorate.views import Limits


@dataclass(frozen=True)
class RegisteredVersion:
    """A version in the registry whose artifact a worker can load."""

    number: int
    artifact_url: str
    artifact_digest: str


class RegisteredVersions:
    """The registry as one member's follower asks it."""

    def __init__(self, registry: RegistryStore, member: str) -> None:
        self._registry = registry
        self._member = member

    def revision(self) -> int:
        """The registry's revision."""
        return self._registry.revision()

    def versions(self) -> Iterator[RegisteredVersion]:
        """The member's versions that are artifacts of the store."""
        for registered in self._registry.members():
            if registered.member.name == self._member and registered.source == "artifact":
                yield RegisteredVersion(registered.member.version, registered.artifact_url, registered.artifact_digest)


class ArtifactLoader:
    """Fetches, verifies and opens a version for a worker of certain views."""

    def __init__(self, store: ArtifactStore, cache: Path, member: str, views: Iterable[str], limits: Limits) -> None:
        self._store = store
        self._cache = cache
        self._member = member
        self._views = frozenset(views)
        self._limits = limits

    def __call__(self, version: RegisteredVersion) -> ServedModel:
        """Return the version, warmed up; any failure is a QuorateError that says why."""
        try:
            artifact = self._store.fetch(version.artifact_url, version.artifact_digest, self._cache)
            self._check(version, artifact.manifest.name, artifact.manifest.version, artifact.manifest.views)
            return load_model(artifact, self._limits)
        except QuorateError:
            raise
        except Exception as error:
            raise MemberError(f"loading failed: {type(error).__name__}: {error}") from error

    def _check(self, version: RegisteredVersion, name: str, number: int, views: Iterable[str]) -> None:
        if (name, number) != (self._member, version.number):
            raise InvalidInput(f"the artifact is {name}:{number}, registered as {self._member}:{version.number}")
        if foreign := set(views) - self._views:
            raise InvalidInput(
                f"{name} looks at {', '.join(sorted(foreign))}; this worker serves {', '.join(sorted(self._views))}"
            )


def worker_arguments(view: str) -> argparse.ArgumentParser:
    """The command line that every worker takes; what is not given comes from the settings."""
    parser = argparse.ArgumentParser(
        f"python -m services.{view}", description=f"Serve one member that looks at {view}."
    )
    parser.add_argument("--member", required=True, metavar="NAME", help="the member whose versions are served")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT", help="port 0 takes a free one and logs it")
    parser.add_argument("--store", metavar="URL", help="fsspec URL of the artifact store (QUORATE_STORE_URL)")
    parser.add_argument("--database-url", metavar="URL", help="SQLAlchemy URL of the registry (QUORATE_DATABASE_URL)")
    return parser


async def serve_member(settings: Settings, member: str, views: Iterable[str], listen: str) -> None:
    """Serve every registered version of a member until a signal; new ones are loaded as they are registered."""
    listener = build_server(settings, listen, [SERVICE])
    database = open_database(settings.resolved_database_url)
    limits = Limits(settings.max_image_pixels, settings.max_text_bytes)
    store = ArtifactStore(settings.resolved_store_url)
    loader = ArtifactLoader(store, settings.home / "cache" / "members", member, views, limits)
    repository: Repository[RegisteredVersion, ServedModel] = Repository(member, loader)
    follower = Follower(RegisteredVersions(RegistryStore(database), member), repository)
    runner = Runner(settings.max_concurrency, settings.max_queue)
    servicer = WorkerServicer(repository, runner, settings.max_rows, follower.refresh)
    rpc.add_GRPCInferenceServiceServicer_to_server(servicer, listener.server)  # type: ignore[no-untyped-call]
    repository.changed = _health_update(listener, repository)
    follower.start()
    try:
        await run_server(listener, settings.drain_seconds, draining=servicer.drain, ready=False)
    finally:
        follower.stop()
        runner.close()
        database.close()


def _health_update(listener: Listener, repository: Repository[RegisteredVersion, ServedModel]) -> Callable[[], None]:
    """What the follower's thread calls after every change, to have the health say whether a version is ready."""
    loop = asyncio.get_running_loop()
    updates: set[asyncio.Task[None]] = set()

    def update() -> None:
        task = loop.create_task(listener.health.set_ready(repository.ready))
        updates.add(task)
        task.add_done_callback(updates.discard)

    def changed() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody asks for health any more
            loop.call_soon_threadsafe(update)

    return changed
