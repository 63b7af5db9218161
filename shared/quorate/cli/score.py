"""`quorate score`: a file of rows, through the queue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quorate.cli.options import EnsembleName, Gateway, Home, Json, client_of, names_of
from quorate.cli.output import print_json, say
from quorate.cli.progress import job_bar

if TYPE_CHECKING:
    from quorate.client import ScoreResult

SHOWN_REJECTS = 3


def score(
    name: EnsembleName,
    source: Annotated[
        str, typer.Argument(metavar="FILE", help="CSV, JSONL or Parquet: a file, or a URL that the platform reads.")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder to download the parts to.")] = None,
    version: Annotated[str, typer.Option("--version", help="A number or an alias.")] = "",
    columns: Annotated[
        str, typer.Option("--columns", help="Of label, probabilities, members, quorum, expected_quality.")
    ] = "",
    chunk_rows: Annotated[
        int, typer.Option("--chunk-rows", min=0, help="Rows of one claim [default: the platform's].")
    ] = 0,
    allow_degraded: Annotated[
        bool, typer.Option("--allow-degraded", help="Answer rows without members that are down, and mark them.")
    ] = False,
    output_url: Annotated[
        str, typer.Option("--output-url", help="Where the platform makes the job's folder [default: its store].")
    ] = "",
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return at once; see `quorate jobs`.")] = False,
    gateway: Gateway = "",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Score every row of a file, each exactly once; rows that cannot be read go to the rejects, with the reason."""
    options = {
        "version": version,
        "columns": names_of(columns),
        "chunk_rows": chunk_rows,
        "allow_degraded": allow_degraded,
        "output_url": output_url,
    }
    with client_of(home, gateway) as client:
        if detach:
            job = client.create_job(name, source, **options)
            print_json(job) if as_json else print(job.id)
            return
        with job_bar() as show:
            result = client.score(name, source, out, progress=show, **options)
    if as_json:
        print_json({"job": result.job, "manifest": result.manifest, "files": [str(path) for path in result.files]})
    else:
        _show(result, out)


def _show(result: ScoreResult, out: Path | None) -> None:
    job = result.job
    print(
        f"{result.manifest['rows_scored']} of {job.rows} rows scored in {job.seconds:.1f} s "
        f"({job.rows_per_second:,.0f} rows/s), {job.rows_rejected} rejected"
    )
    print(f"in {out if out is not None else job.output_url}")
    if job.rows_rejected:
        for reject in _first_rejects(result):
            say(f"row {reject['row']}: {reject['reason']}")
        say("see rejects.parquet for each rejected row's number and reason")


def _first_rejects(result: ScoreResult) -> list[dict[str, Any]]:
    """The first rows of the rejects, where they were downloaded."""
    from pyarrow import parquet

    paths = [path for path in result.files if path.name == "rejects.parquet"]
    return [reject for path in paths for reject in parquet.read_table(path).slice(0, SHOWN_REJECTS).to_pylist()]
