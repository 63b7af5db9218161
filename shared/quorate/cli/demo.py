"""`quorate demo`: the whole road on real data, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quorate.cli.options import Home, Json, settings_of


def demo(
    out: Annotated[Path, typer.Option("--out", help="Where to write the figures.")] = Path("demo.json"),
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Train three members on scans of handwritten digits, serve them, ask them five ways, score 20,000 rows."""
    from quorate.cli.output import console
    from quorate.cli.progress import step_bar
    from quorate.cli.training import fit_here
    from quorate.demo.run import run_demo

    settings = settings_of(home)
    with step_bar() as progress:
        report = run_demo(
            settings.home,
            lambda table, name, roles, show: fit_here(str(table), name, roles, settings, show),
            progress,
        )
    report.write(out)
    if as_json:
        typer.echo(out.read_text(), nl=False)
    else:
        report.show(console())
        typer.echo(f"Figures in {out}. `quorate up` serves {report.name} again, from {settings.home}.")
