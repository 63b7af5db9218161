"""The whole road in one run: a table, three trained members, a served ensemble, five ways in, a scored file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from quorate.client import Client
from quorate.demo.counting import count_rows, job_accuracy
from quorate.demo.digits import digits_table, disturbed, load_scans, scans_of
from quorate.demo.platform import running_platform, wait_until_ready
from quorate.demo.questions import Asker, Item, Reply
from quorate.demo.report import DemoReport, JobFigures

NAME = "digits"
JOB_ROWS = 20_000
ROLES = {"label": "digit", "text": "transcript", "image": "scan"}

Progress = Callable[[str, float], None]
"""Called with what is being done, and how far it is, from 0 to 1."""
Fit = Callable[[Path, str, dict[str, Any], Progress], dict[str, Any]]
"""Trains an ensemble on a table and returns its result; the command line's own `fit --local`."""


@dataclass(frozen=True)
class Fitted:
    """A trained version, and the rows that nothing of it was chosen on."""

    version: int
    result: dict[str, Any]
    test: pa.Table


def run_demo(home: Path, fit: Fit, progress: Progress) -> DemoReport:
    """Run the demo on the platform of `home` and return what it measured.

    A platform that was not running is stopped again, however the demo ends; the ensemble stays registered.
    """
    started = time.perf_counter()
    folder = home / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    fitted = fit_digits(folder, fit, progress)
    progress("starting the platform", 0)
    with running_platform(home) as platform, Client(platform.gateway) as client:
        wait_until_ready(client, NAME, fitted.version)
        item = first_item(fitted.test)
        answers = ask_every_way(Asker(client, home, NAME, fitted.version, item), progress)
        wait_until_ready(client, NAME, fitted.version)
        job = score_disturbed(client, fitted, folder, progress)
    return DemoReport(
        name=NAME,
        version=fitted.version,
        test_rows=fitted.test.num_rows,
        members=fitted.result["members"],
        ensemble=fitted.result["ensemble_metrics"],
        digit=item.digit,
        answers=answers,
        job=job,
        seconds=time.perf_counter() - started,
    )


def fit_digits(folder: Path, fit: Fit, progress: Progress) -> Fitted:
    """Lay the digits out as a table, train on it, and read back the test part."""
    progress("laying 1,797 scans out in three views", 0)
    table = folder / "digits.parquet"
    pq.write_table(digits_table(*load_scans()), table)
    result = fit(table, NAME, ROLES, progress)
    test = pq.read_table(result["test_rows_url"].removeprefix("file://"))
    return Fitted(int(result["version"]), result, test)


def first_item(table: pa.Table) -> Item:
    """Return a table's first row as a caller would hold it."""
    [row] = table.slice(0, 1).to_pylist()
    columns = {name: value for name, value in row.items() if name not in ROLES.values()}
    return Item(text=row["transcript"], image=row["scan"], columns=columns, digit=row["digit"])


def ask_every_way(asker: Asker, progress: Progress) -> list[Reply]:
    """Ask about one item by each way in; the last has one member's worker killed under it."""
    ways: list[Callable[[], Reply]] = [
        asker.by_client,
        asker.by_oip,
        asker.by_queue,
        asker.without_image,
        lambda: asker.with_worker_killed(f"{NAME}-image"),
    ]
    replies = []
    for done, way in enumerate(ways):
        progress("asking one digit by each way in", done / len(ways))
        replies.append(way())
    return replies


def score_disturbed(client: Client, fitted: Fitted, folder: Path, progress: Progress) -> JobFigures:
    """Score the test part's scans, shifted and noisy, as a job, and count its rows."""
    progress(f"drawing {JOB_ROWS:,} rows", 0)
    scans, origin = disturbed(scans_of(fitted.test), JOB_ROWS, seed=0)
    source = folder / "disturbed.parquet"
    pq.write_table(digits_table(scans), source)
    started = time.perf_counter()
    scored = client.score(
        NAME,
        source,
        folder / "scored",
        version=fitted.version,
        progress=lambda job: progress(f"scoring {JOB_ROWS:,} rows", job.rows_done / JOB_ROWS),
    )
    seconds = time.perf_counter() - started
    count = count_rows(scored.files, JOB_ROWS)
    labels = np.array(fitted.test["digit"].to_pylist())[origin]
    return JobFigures(
        rows=JOB_ROWS,
        lost=count.lost,
        duplicated=count.duplicated,
        rejected=scored.job.rows_rejected,
        accuracy=job_accuracy(scored.parts, labels),
        rows_per_second=JOB_ROWS / seconds,
        seconds=seconds,
    )
