"""`make bench`: the gateway against a bare coordinator, the queue, and a job against a plain loop, in one run.

Whole figures depend on the machine and on what else it does; the ratios are what to read.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pyarrow.parquet as pq
from rich import box
from rich.console import Console
from rich.table import Table

from quorate.demo.counting import count_rows
from quorate.demo.digits import digits_table, disturbed, scans_of
from tests.bench.platform import MEMBERS, NAME, Bench, bench_platform
from tests.bench.requests import RENAMED, write_requests

CONCURRENCIES = (1, 8, 32)
Figures = dict[str, float]


@contextmanager
def baseline(bench: Bench) -> Iterator[str]:
    """Run the bare coordinator against the platform's own workers; yields its address."""
    members = [f"{member}={bench.address(member)}" for member in MEMBERS]
    command = [sys.executable, "-m", "tests.bench.baseline", *members]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def load(lane: str, address: str, request: Path, concurrency: int, seconds: float) -> Figures:
    command = [sys.executable, "-m", "tests.bench.load", lane, address, str(request)]
    options = ["--concurrency", str(concurrency), "--seconds", str(seconds)]
    return json.loads(subprocess.run([*command, *options], stdout=subprocess.PIPE, check=True).stdout)


def in_turn(
    targets: dict[str, str], request: Path, concurrency: int, rounds: int, seconds: float
) -> dict[str, Figures]:
    """Measure the targets A B A B ... and return each one's medians."""
    seen: dict[str, list[Figures]] = {name: [] for name in targets}
    for _ in range(rounds):
        for name, address in targets.items():
            seen[name].append(load("infer", address, request, concurrency, seconds))
    return {name: {key: median(each[key] for each in figures) for key in figures[0]} for name, figures in seen.items()}


def interactive(bench: Bench, request: Path, rounds: int, seconds: float) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    with baseline(bench) as address:
        targets = {"gateway": bench.client.gateway, "bare coordinator": address}
        for concurrency in CONCURRENCIES:
            figures = in_turn(targets, request, concurrency, rounds, seconds)
            rows += [{"system": name, "concurrency": concurrency} | each for name, each in figures.items()]
    return rows


def queued(bench: Bench, request: Path, seconds: float) -> list[dict[str, object]]:
    gateway = bench.client.gateway
    return [
        {"system": "Submit to Await", "concurrency": concurrency}
        | load("queue", gateway, request, concurrency, seconds)
        for concurrency in (1, 32)
    ]


def costs(bench: Bench, infer: Path, submit: Path, seconds: float) -> list[dict[str, object]]:
    """CPU milliseconds that one request costs each process, at 32 callers: where the throughput goes."""
    with baseline(bench) as bare:
        gateway = bench.client.gateway
        lanes = {
            "gateway": ("infer", gateway, infer),
            "bare": ("infer", bare, infer),
            "queue": ("queue", gateway, submit),
        }
        spent: dict[str, Figures] = {}
        for name, lane in lanes.items():
            before = bench.cpu_seconds()
            answered = load(*lane, CONCURRENCIES[-1], seconds)["answered"]
            spent[name] = {
                process: (now - before[process]) * 1e3 / answered for process, now in bench.cpu_seconds().items()
            }
    return [{"process": name} | {lane: each[name] for lane, each in spent.items()} for name in bench.processes()]


def job_against_loop(bench: Bench, folder: Path, rows: int, rounds: int) -> dict[str, float]:
    """Score one file by a job and by plain loops, in turn; medians of rows/s, and what the job lost or doubled."""
    source = folder / "rows.parquet"
    scans, _ = disturbed(scans_of(bench.test), rows, seed=1)
    pq.write_table(digits_table(scans), source)
    jobs, loops = [], []
    for turn in range(rounds):
        started = time.perf_counter()
        scored = bench.client.score(NAME, source, folder / f"job-{turn}")
        jobs.append(rows / (time.perf_counter() - started))
        count = count_rows(scored.files, rows)
        started = time.perf_counter()
        artifacts = [str(bench.artifact(member)) for member in MEMBERS]
        command = [
            sys.executable,
            "-m",
            "tests.bench.plain_loop",
            str(source),
            str(folder / f"loop-{turn}"),
            *artifacts,
        ]
        subprocess.run([*command, "--rename", json.dumps(RENAMED)], stdout=subprocess.DEVNULL, check=True)
        loops.append(rows / (time.perf_counter() - started))
    return {
        "rows": rows,
        "job_rows_per_second": median(jobs),
        "loop_rows_per_second": median(loops),
        "job_over_loop": median(j / p for j, p in zip(jobs, loops, strict=True)),
        "lost": count.lost,
        "duplicated": count.duplicated,
    }


def show(console: Console, title: str, rows: list[dict[str, object]]) -> None:
    headings = (name.replace("_", " ") for name in rows[0])
    table = Table(*headings, title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(f"{value:,.2f}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--home", type=Path, help="keep the trained platform here between runs")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--json", type=Path, help="write every figure to this file, too")
    a = parser.parse_args()
    console = Console()
    console.print(f"{os.cpu_count()} cores; figures are medians of {a.rounds} rounds, measured in turn")
    with tempfile.TemporaryDirectory() as temporary, bench_platform(a.home or Path(temporary) / "home") as bench:
        folder = Path(temporary)
        infer, submit = write_requests(bench.test, folder)
        figures = {
            "interactive": interactive(bench, infer, a.rounds, a.seconds),
            "queue": queued(bench, submit, a.seconds),
            "CPU ms a request at 32 callers": costs(bench, infer, submit, a.seconds),
            "job": [job_against_loop(bench, folder, a.rows, a.rounds)],
            "memory": [{"process": name, "resident_mib": mib} for name, mib in bench.memory().items()],
        }
    for title, rows in figures.items():
        show(console, title, rows)
    if a.json:
        a.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
