"""All commands in one Typer application. Heavy packages are imported inside the commands that need them."""

from __future__ import annotations

import typer

from quorate.cli import demo, doctor, ensembles, fit, jobs, members, platform, predict, score

app = typer.Typer(
    name="quorate",
    help="Serve an ensemble of models as one dependable model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(platform.up)
app.command()(platform.down)
app.command()(platform.status)
app.command()(platform.logs)
app.command()(doctor.doctor)
app.command()(demo.demo)
app.command()(fit.fit)
app.command()(predict.predict)
app.command()(score.score)
app.add_typer(ensembles.app, name="ensembles")
app.add_typer(members.app, name="members")
app.add_typer(jobs.app, name="jobs")


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Print Quorate's version.", is_eager=True)) -> None:
    if version:
        from quorate import __version__

        typer.echo(__version__)
        raise typer.Exit
