"""`quorate jobs`: the files that are being scored, and were."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from quorate.cli.options import Gateway, Home, Json, client_of
from quorate.cli.output import print_json, print_table

if TYPE_CHECKING:
    from quorate.client import JobProgress

app = typer.Typer(help="List, show and cancel scoring jobs.")

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]


@app.callback(invoke_without_command=True)
def jobs(context: typer.Context, gateway: Gateway = "", home: Home = None, as_json: Json = False) -> None:
    if context.invoked_subcommand is None:
        list_jobs(gateway, home, as_json)


@app.command("list")
def list_jobs(gateway: Gateway = "", home: Home = None, as_json: Json = False) -> None:
    """List all jobs."""
    with client_of(home, gateway) as client:
        found = client.jobs()
    if as_json:
        print_json(found)
        return
    rows = [(job.id, f"{job.ensemble}:{job.version}", job.state, job.rows_done, job.rows) for job in found]
    print_table(("job", "ensemble", "state", "done", "rows"), rows)
    for job in found:
        if job.error:
            print(f"{job.id}: {job.error}")


@app.command()
def show(job: JobId, gateway: Gateway = "", home: Home = None, as_json: Json = False) -> None:
    """Show one job."""
    with client_of(home, gateway) as client:
        _print(client.job(job), as_json)


@app.command()
def cancel(job: JobId, gateway: Gateway = "", home: Home = None, as_json: Json = False) -> None:
    """Cancel a job; rows that were scored already are not published."""
    with client_of(home, gateway) as client:
        _print(client.cancel_job(job), as_json)


def _print(job: JobProgress, as_json: bool) -> None:
    if as_json:
        print_json(job)
        return
    fields = [field for field in asdict(job) if field != "files"]
    print_table(("field", "value"), [(field, str(getattr(job, field))) for field in fields])
