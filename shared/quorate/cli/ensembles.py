"""`quorate ensembles`: registered, made from a specification, fitted on labelled rows, and pointed at."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quorate.cli.options import EnsembleName, Gateway, Home, Json, client_of, registry
from quorate.cli.output import print_json, print_table
from quorate.errors import InvalidSpec

if TYPE_CHECKING:
    from quorate.db.registry import RegisteredEnsemble

app = typer.Typer(help="List, create and fit ensembles, and say which version is live.")


@app.callback(invoke_without_command=True)
def ensembles(context: typer.Context, home: Home = None, as_json: Json = False) -> None:
    if context.invoked_subcommand is None:
        list_ensembles(home, as_json)


@app.command("list")
def list_ensembles(home: Home = None, as_json: Json = False) -> None:
    """List every version of every ensemble."""
    with registry(home) as store:
        found = [_summary(entry) for entry in store.ensembles()]
    if as_json:
        print_json(found)
        return
    keys = ("name", "version", "aliases", "task", "members", "combiner")
    print_table(keys, [[entry[key] for key in keys] for entry in found])


@app.command()
def create(
    spec: Annotated[Path, typer.Argument(metavar="SPEC.yaml", help="See docs/ensemble-spec.md.")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Register an ensemble's next version from a specification; the first one of a name is live at once."""
    from quorate.spec import build_ensemble, parse_spec

    parsed = parse_spec(_read(spec))
    with registry(home) as store:
        members = defaultdict(list)
        for entry in store.members():
            members[entry.member.name].append(entry.member)
        created = store.add_ensemble(build_ensemble(parsed, members), {"source": "spec", "file": spec.name})
        summary = _summary(store.get_ensemble(created.name, created.version))
    _print(summary, as_json)


@app.command()
def fit(
    name: EnsembleName,
    table: Annotated[str, typer.Argument(metavar="LABELLED", help="CSV, JSONL or Parquet with the true labels.")],
    label: Annotated[str, typer.Option("--label", help="The column of true labels [default: as in training].")] = "",
    version: Annotated[str, typer.Option("--version", help="The version to start from [default: live].")] = "",
    combiner: Annotated[str, typer.Option("--combiner", help="log_pool, multi_view, ... [default: auto].")] = "",
    gateway: Gateway = "",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Ask an ensemble's live members about labelled rows, fit its combiner, and register the next version."""
    from quorate.cli.fitted import print_fit
    from quorate.cli.progress import fit_bar

    given = {"label": label, "version": version, "combiner": combiner}
    options = {option: value for option, value in given.items() if value}
    with client_of(home, gateway) as client, fit_bar() as show:
        result = client.fit_ensemble(name, table, options, progress=show)
    print_json(result) if as_json else print_fit(result)


@app.command()
def alias(
    name: EnsembleName,
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="live, canary, ...")],
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1)],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Point an alias at a version; who asks for it is answered by that version within a second."""
    with registry(home) as store:
        store.set_alias(name, alias, version)
        summary = _summary(store.get_ensemble(name, version))
    _print(summary, as_json)


def _read(spec: Path) -> str:
    try:
        return spec.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidSpec(f"{spec} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidSpec(f"{spec} is no UTF-8 text: {error.reason} at byte {error.start}") from error


def _summary(entry: RegisteredEnsemble) -> dict[str, Any]:
    ensemble = entry.ensemble
    return {
        "name": ensemble.name,
        "version": ensemble.version,
        "aliases": list(entry.aliases),
        "task": ensemble.task.value,
        "members": [member.name for member in ensemble.members],
        "combiner": ensemble.combiner.kind,
        "labels": list(ensemble.labels),
    }


def _print(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(summary)
        return
    aliases = f" ({', '.join(summary['aliases'])})" if summary["aliases"] else ""
    print(f"{summary['name']} version {summary['version']}{aliases}: {', '.join(summary['members'])}")
