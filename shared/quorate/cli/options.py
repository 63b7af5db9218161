"""Options that many commands share, and what they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from quorate.client import Client
    from quorate.db.registry import RegistryStore
    from quorate.settings import Settings


def _ensemble_names(incomplete: str) -> list[str]:
    """Complete an ensemble's name in the shell, from the home's own database."""
    from quorate.errors import QuorateError

    try:
        with registry(None) as store:
            return sorted(
                {each.ensemble.name for each in store.ensembles() if each.ensemble.name.startswith(incomplete)}
            )
    except QuorateError:
        return []


Home = Annotated[
    Path | None, typer.Option("--home", help="The platform's home folder [default: QUORATE_HOME, else ~/.quorate].")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
EnsembleName = Annotated[str, typer.Argument(metavar="NAME", help="The ensemble.", autocompletion=_ensemble_names)]
Gateway = Annotated[
    str, typer.Option("--gateway", metavar="HOST:PORT", help="The gateway [default: QUORATE_GATEWAY, else the home's].")
]


def settings_of(home: Path | None) -> Settings:
    """Read the settings, with the home made absolute so that every process sees the same one."""
    from quorate.settings import load_settings

    settings = load_settings(home=home)
    return settings.model_copy(update={"home": settings.home.expanduser().resolve()})


@contextmanager
def client_of(home: Path | None, gateway: str = "") -> Iterator[Client]:
    """Give a client of the platform in this home, or at this address."""
    from quorate.client import Client

    with Client(gateway, home=home) as client:
        yield client


@contextmanager
def registry(home: Path | None) -> Iterator[RegistryStore]:
    """Open the registry in SQL, made or brought up to date first; it needs no platform that runs."""
    from quorate.db.database import migrate, open_database
    from quorate.db.registry import RegistryStore

    database = open_database(settings_of(home).resolved_database_url)
    try:
        migrate(database)
        yield RegistryStore(database)
    finally:
        database.close()


def names_of(joined: str | None) -> tuple[str, ...]:
    """Split `a,b,c`; spaces around a name are dropped."""
    return tuple(name.strip() for name in (joined or "").split(",") if name.strip())
