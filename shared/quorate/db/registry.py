"""The registry: members and ensembles in versions, their aliases, and where members answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from quorate.db.database import Database
from quorate.db.json_values import nan_as_null
from quorate.db.models import Endpoint, EnsembleAlias, EnsembleVersion, MemberVersion, RegistryRevision, now
from quorate.ensemble import Ensemble, Member
from quorate.errors import AlreadyExists, InvalidInput, NotFound
from quorate.spec import ensemble_from_json, ensemble_to_json, member_from_json, member_to_json

LIVE = "live"
"""The alias that a caller gets who names no version."""


@dataclass(frozen=True)
class RegisteredMember:
    """A member's version, and where its model is: an artifact of the store, or somebody else's endpoint."""

    member: Member
    source: str
    artifact_url: str = ""
    artifact_digest: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime = field(default_factory=now)


@dataclass(frozen=True)
class RegisteredEnsemble:
    """An ensemble's version, the aliases that point at it, and what it was made from."""

    ensemble: Ensemble
    aliases: tuple[str, ...] = ()
    lineage: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime = field(default_factory=now)


class RegistryStore:
    """Members, ensembles, aliases and endpoints. Every change adds 1 to the revision, in its own transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def revision(self) -> int:
        """A number that has changed whenever anything here has; cheap enough to read twice a second."""
        with self._database.read() as connection:
            return connection.scalar(select(RegistryRevision.revision)) or 0

    def add_member(
        self,
        member: Member,
        *,
        source: str,
        artifact_url: str = "",
        artifact_digest: str = "",
        metrics: Mapping[str, Any] | None = None,
    ) -> Member:
        """Register a version of a member; version 0 becomes the name's next. AlreadyExists where it is taken."""
        with self._change() as connection:
            version = member.version or _next_version(connection, MemberVersion, member.name)
            taken = select(MemberVersion.name).where(
                MemberVersion.name == member.name, MemberVersion.version == version
            )
            if connection.scalar(taken) is not None:
                raise AlreadyExists(
                    f"member {member.name!r} has a version {version} already; a version never changes, add a new one"
                )
            member = replace(member, version=version)
            row = {
                "name": member.name,
                "version": version,
                "source": source,
                "artifact_url": artifact_url,
                "artifact_digest": artifact_digest,
                "description": member_to_json(member),
                "metrics": nan_as_null(metrics or {}),
            }
            connection.execute(insert(MemberVersion), row)
        return member

    def next_member_version(self, name: str) -> int:
        """The version that a new one of this name would get: 1 for a new name."""
        with self._database.read() as connection:
            return _next_version(connection, MemberVersion, name)

    def members(self) -> tuple[RegisteredMember, ...]:
        """Every version of every member, by name and version."""
        table = MemberVersion.__table__.c
        with self._database.read() as connection:
            rows = connection.execute(select(*table).order_by(table.name, table.version)).all()
        return tuple(
            RegisteredMember(
                member_from_json(row.description),
                row.source,
                row.artifact_url,
                row.artifact_digest,
                row.metrics,
                row.created_at,
            )
            for row in rows
        )

    def add_endpoint(self, member: str, address: str, written_by: str = "user") -> None:
        """Say that a replica of the member answers at HOST:PORT; nothing changes where that is known."""
        with self._change() as connection:
            known = select(Endpoint.member).where(Endpoint.member == member, Endpoint.address == address)
            if connection.scalar(known) is None:
                connection.execute(insert(Endpoint), {"member": member, "address": address, "written_by": written_by})

    def remove_endpoint(self, member: str, address: str) -> None:
        """Forget an address, whoever wrote it; NotFound where the member has no such address."""
        with self._change() as connection:
            gone = connection.execute(delete(Endpoint).where(Endpoint.member == member, Endpoint.address == address))
            if gone.rowcount == 0:
                raise NotFound(f"member {member!r} has no endpoint {address!r}; `quorate members` lists them")

    def replace_endpoints(self, member: str, addresses: Sequence[str], written_by: str) -> None:
        """Make `addresses` all that this writer says of the member; what others wrote stays. Idempotent."""
        with self._database.read() as connection:
            own, others = _endpoints_of(connection, member, written_by)
            if own == set(addresses) - others:
                return
        with self._change() as connection:
            _, others = _endpoints_of(connection, member, written_by)
            connection.execute(delete(Endpoint).where(Endpoint.member == member, Endpoint.written_by == written_by))
            new = sorted(set(addresses) - others)
            if new:
                rows = [{"member": member, "address": address, "written_by": written_by} for address in new]
                connection.execute(insert(Endpoint), rows)

    def endpoints(self) -> dict[str, tuple[str, ...]]:
        """Each member's addresses, in order; a member without one is not in it."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        with self._database.read() as connection:
            for member, address in connection.execute(
                select(Endpoint.member, Endpoint.address).order_by(Endpoint.address)
            ):
                found[member].append(address)
        return {member: tuple(addresses) for member, addresses in sorted(found.items())}

    def add_ensemble(self, ensemble: Ensemble, lineage: Mapping[str, Any] | None = None) -> Ensemble:
        """Register the name's next version and give it; the first one becomes `live`.

        Whatever version the ensemble came with is passed over. NotFound names a member that is not registered.
        """
        with self._change() as connection:
            _require_members(connection, ensemble)
            version = _next_version(connection, EnsembleVersion, ensemble.name)
            registered = replace(ensemble, version=version)
            row = {"name": ensemble.name, "version": version, "lineage": nan_as_null(lineage or {})}
            connection.execute(insert(EnsembleVersion), {**row, "description": ensemble_to_json(registered)})
            if version == 1:
                connection.execute(insert(EnsembleAlias), {"name": ensemble.name, "alias": LIVE, "version": version})
        return registered

    def ensembles(self) -> tuple[RegisteredEnsemble, ...]:
        """Every version of every ensemble, by name and version."""
        return self._ensembles()

    def get_ensemble(self, name: str, version_or_alias: int | str = LIVE) -> RegisteredEnsemble:
        """One version, by its number or an alias (empty: `live`). NotFound says what there is instead."""
        versions = self._ensembles(name)
        if not versions:
            raise NotFound(f"no ensemble is called {name!r}; `quorate ensembles` lists them")
        wanted = str(version_or_alias) or LIVE
        for registered in versions:
            if wanted == str(registered.ensemble.version) or wanted in registered.aliases:
                return registered
        there = [str(one.ensemble.version) for one in versions] + [alias for one in versions for alias in one.aliases]
        raise NotFound(f"ensemble {name!r} has no version or alias {wanted!r}; there are {', '.join(there)}")

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version, at once for everybody. NotFound where there is no such version."""
        if not alias or alias.isdigit():
            raise InvalidInput(
                f"an alias cannot be called {alias!r}: a number names a version; give a word such as {LIVE!r}"
            )
        self.get_ensemble(name, version)
        key = (EnsembleAlias.name == name, EnsembleAlias.alias == alias)
        with self._change() as connection:
            moved = connection.execute(update(EnsembleAlias).where(*key).values(version=version, updated_at=now()))
            if moved.rowcount == 0:
                connection.execute(insert(EnsembleAlias), {"name": name, "alias": alias, "version": version})

    @contextmanager
    def _change(self) -> Iterator[Connection]:
        """A transaction that adds 1 to the revision first, so that registering processes take turns on its row."""
        with self._database.write() as connection:
            connection.execute(update(RegistryRevision).values(revision=RegistryRevision.revision + 1))
            yield connection

    def _ensembles(self, name: str | None = None) -> tuple[RegisteredEnsemble, ...]:
        versions, pointers = (
            EnsembleVersion.__table__.c,
            select(EnsembleAlias.name, EnsembleAlias.version, EnsembleAlias.alias),
        )
        wanted = [] if name is None else [versions.name == name]
        with self._database.read() as connection:
            rows = connection.execute(select(*versions).where(*wanted).order_by(versions.name, versions.version)).all()
            aliases = connection.execute(pointers.order_by(EnsembleAlias.alias)).all()
        return tuple(_registered_ensemble(row, aliases) for row in rows)


def _registered_ensemble(row: Row[Any], aliases: Sequence[Row[str, int, str]]) -> RegisteredEnsemble:
    own = tuple(found.alias for found in aliases if (found.name, found.version) == (row.name, row.version))
    return RegisteredEnsemble(ensemble_from_json(row.description), own, row.lineage, row.created_at)


def _endpoints_of(connection: Connection, member: str, written_by: str) -> tuple[set[str], set[str]]:
    """The member's addresses that this writer wrote, and those of all others."""
    known = select(Endpoint.address, Endpoint.written_by).where(Endpoint.member == member)
    rows = connection.execute(known).all()
    own = {address for address, writer in rows if writer == written_by}
    return own, {address for address, _ in rows} - own


def _next_version(connection: Connection, model: type[MemberVersion] | type[EnsembleVersion], name: str) -> int:
    return (connection.scalar(select(func.max(model.version)).where(model.name == name)) or 0) + 1


def _require_members(connection: Connection, ensemble: Ensemble) -> None:
    named = {member.name for member in ensemble.members}
    known = select(MemberVersion.name, MemberVersion.version).where(MemberVersion.name.in_(named))
    there = {(name, version) for name, version in connection.execute(known)}
    for member in ensemble.members:
        if (member.name, member.version) not in there:
            wanted = f"member {member.name!r} version {member.version}"
            raise NotFound(
                f"ensemble {ensemble.name!r} names {wanted}, which is not registered; `quorate members` lists them"
            )
