"""What is registered, as one immutable snapshot that requests are served from without touching SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from quorate.db.registry import RegisteredMember, RegistryStore
from quorate.ensemble import Ensemble
from quorate.errors import NotFound

LIVE = "live"


@dataclass(frozen=True)
class Catalog:
    """Ensembles, aliases, members and where these answer, as of one registry revision."""

    revision: int = -1
    versions: Mapping[str, Mapping[int, Ensemble]] = field(default_factory=dict)
    aliases: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    members: tuple[RegisteredMember, ...] = ()
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def resolve(self, name: str, version: str = "") -> Ensemble:
        """Return the ensemble by number or alias (empty: `live`); NotFound names what there is."""
        versions = self.versions.get(name)
        if not versions:
            raise NotFound(f"no ensemble is called {name!r}; registered are {_listed(self.versions)}")
        wanted = version or LIVE
        number = int(wanted) if wanted.isdecimal() else self.aliases.get(name, {}).get(wanted)
        if number is None or number not in versions:
            aliases = _listed(self.aliases.get(name, {}))
            raise NotFound(
                f"{name!r} has no version {wanted!r}; its versions are {_listed(versions)}, its aliases {aliases}"
            )
        return versions[number]

    def aliases_of(self, ensemble: Ensemble) -> tuple[str, ...]:
        """Name the aliases that point at this very version."""
        pointers = self.aliases.get(ensemble.name, {})
        return tuple(sorted(alias for alias, version in pointers.items() if version == ensemble.version))

    def ensembles(self) -> tuple[Ensemble, ...]:
        """Every version of every ensemble, by name and then version."""
        return tuple(
            self.versions[name][number] for name in sorted(self.versions) for number in sorted(self.versions[name])
        )

    def endpoints(self, member: str) -> tuple[str, ...]:
        """Where the member's replicas answer; empty where nobody has said."""
        return self.addresses.get(member, ())


def read_catalog(store: RegistryStore) -> Catalog:
    """Read the registry; the revision is read first, so that a change meanwhile shows as a newer one."""
    revision = store.revision()
    versions: dict[str, dict[int, Ensemble]] = {}
    aliases: dict[str, dict[str, int]] = {}
    for registered in store.ensembles():
        ensemble = registered.ensemble
        versions.setdefault(ensemble.name, {})[ensemble.version] = ensemble
        for alias in registered.aliases:
            aliases.setdefault(ensemble.name, {})[alias] = ensemble.version
    return Catalog(revision, versions, aliases, tuple(store.members()), store.endpoints())


def _listed(names: Mapping[str, object] | Mapping[int, object]) -> str:
    return ", ".join(str(name) for name in sorted(names)) or "none"
