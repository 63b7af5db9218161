"""`quorate fit`: from a table to a registered ensemble."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from quorate.cli.options import Gateway, Home, Json, client_of, names_of, settings_of
from quorate.cli.output import print_json


def fit(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="CSV, JSONL or Parquet: a file, or a URL.")],
    label: Annotated[str, typer.Option("--label", help="The column to be predicted.")],
    out: Annotated[str, typer.Option("--out", metavar="NAME", help="What the ensemble is to be called.")],
    text: Annotated[str | None, typer.Option("--text", help="The column of texts [default: inferred].")] = None,
    image: Annotated[str | None, typer.Option("--image", help="The column of pictures: bytes, or paths.")] = None,
    numeric: Annotated[str | None, typer.Option("--numeric", metavar="A,B", help="Columns of numbers.")] = None,
    categorical: Annotated[
        str | None, typer.Option("--categorical", metavar="A,B", help="Columns of categories.")
    ] = None,
    ignore: Annotated[str | None, typer.Option("--ignore", metavar="A,B", help="Columns to leave out.")] = None,
    folds: Annotated[
        int | None, typer.Option("--folds", min=2, help="Folds of the training rows [default: 3].")
    ] = None,
    test_share: Annotated[
        float | None, typer.Option("--test-share", min=0.05, max=0.5, help="Share of rows for the test [default: 0.2].")
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Most epochs of a network.")] = None,
    task: Annotated[
        str | None, typer.Option("--task", help="classification or regression [default: inferred].")
    ] = None,
    combiner: Annotated[
        str | None, typer.Option("--combiner", help="soft_vote, log_pool, ... [default: auto].")
    ] = None,
    more: Annotated[
        list[str], typer.Option("--option", metavar="NAME=VALUE", help="Any other option of FitOptions.")
    ] = [],  # noqa: B006 - Typer reads it and never changes it
    seed: Annotated[int | None, typer.Option("--seed", help="Of every random choice [default: 0].")] = None,
    local: Annotated[bool, typer.Option("--local", help="Train in this process's place; needs no platform.")] = False,
    gateway: Gateway = "",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Train a member a view, combine and evaluate them on rows that nothing was chosen on, register the ensemble."""
    from quorate.cli.fitted import print_fit
    from quorate.cli.progress import fit_bar, step_bar
    from quorate.cli.tables import prepared_table
    from quorate.cli.training import fit_here

    roles = {
        "label": label,
        "text": text,
        "image": image,
        "numeric": names_of(numeric),
        "categorical": names_of(categorical),
        "ignore": names_of(ignore),
    }
    training = {"task": task, "folds": folds, "test_share": test_share, "max_epochs": epochs}
    training |= {"combiner": combiner, "seed": seed, **options_of(more)}
    options = {name: value for name, value in (roles | training).items() if value not in (None, ())}
    with prepared_table(table, roles, show=not as_json) as source:
        if local:
            with step_bar() as step:
                result = fit_here(source, out, options, settings_of(home), step)
        else:
            with client_of(home, gateway) as client, fit_bar() as show:
                result = client.fit(source, out, options, progress=show)
    print_json(result) if as_json else print_fit(result)


def options_of(settings: Sequence[str]) -> dict[str, Any]:
    """Read `name=value` pairs; a value is JSON where it can be read as such, else text."""
    options: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{setting!r} is not NAME=VALUE", param_hint="--option")
        try:
            options[name] = json.loads(value)
        except json.JSONDecodeError:
            options[name] = value
    return options
