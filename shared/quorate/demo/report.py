"""What the demo found, as a table for a person and as JSON for a program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from quorate.demo.questions import Reply


@dataclass(frozen=True)
class JobFigures:
    """One scored file."""

    rows: int
    lost: int
    duplicated: int
    rejected: int
    accuracy: float
    rows_per_second: float
    seconds: float


@dataclass(frozen=True)
class DemoReport:
    """Everything that one run of the demo measured. Metrics are those of the test part that nothing was chosen on."""

    name: str
    version: int
    test_rows: int
    members: Sequence[dict[str, Any]]
    ensemble: dict[str, Any]
    digit: str
    answers: Sequence[Reply]
    job: JobFigures
    seconds: float

    @property
    def best_member_accuracy(self) -> float:
        return max(float(member["accuracy"]) for member in self.members)

    def write(self, path: Path) -> None:
        content = asdict(self) | {"best_member_accuracy": self.best_member_accuracy}
        path.write_text(json.dumps(content, indent=2) + "\n")

    def show(self, console: Console) -> None:
        console.print(self._quality_table(), self._answers_table(), sep="\n")
        self._show_misreadings(console)
        job = self.job
        console.print(
            f"Scored {job.rows:,} rows through the queue in {job.seconds:.1f} s ({job.rows_per_second:,.0f} rows/s): "
            f"{job.lost} lost, {job.duplicated} duplicated, {job.rejected} rejected, accuracy {job.accuracy:.3f} "
            "(shifted and noisy).",
            highlight=False,
            soft_wrap=True,
        )

    def _show_misreadings(self, console: Console) -> None:
        for reply in self.answers:
            if reply.label != self.digit and reply.expected_accuracy is not None:
                line = (
                    f"{reply.way}: this {self.digit} reads as {reply.label} to those who were left, "
                    f"who are right {reply.expected_accuracy:.0%} of the time, as their answer says."
                )
                console.print(line, highlight=False, soft_wrap=True)

    def _quality_table(self) -> Table:
        table = Table(
            title=f"{self.name}:{self.version} on {self.test_rows} untouched rows",
            title_justify="left",
            box=box.SIMPLE_HEAD,
        )
        for heading in ("", "view"):
            table.add_column(heading)
        for heading in ("accuracy", "log loss"):
            table.add_column(heading, justify="right")
        for member in self.members:
            table.add_row(member["name"], member["view"], *_figures(member))
        table.add_row("ensemble", "all of them", *_figures(self.ensemble), style="bold")
        return table

    def _answers_table(self) -> Table:
        title = f"One digit, a {self.digit}, by each way in (acc.: what that quorum is expected to reach)"
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for heading in ("way in", "answer", "answered", "missing", "failed"):
            table.add_column(heading, no_wrap=True)
        table.add_column("acc.", justify="right")
        table.add_column("ms", justify="right")
        for reply in self.answers:
            expected = "" if reply.expected_accuracy is None else f"{reply.expected_accuracy:.3f}"
            who = (self._short(names) for names in (reply.answered, reply.missing, reply.failed))
            table.add_row(reply.way, reply.label, *who, expected, f"{reply.latency_ms:.1f}")
        return table

    def _short(self, members: Sequence[str]) -> str:
        return " ".join(name.removeprefix(f"{self.name}-") for name in members)


def _figures(metrics: dict[str, Any]) -> tuple[str, str]:
    return f"{metrics['accuracy']:.3f}", f"{metrics['log_loss']:.3f}"
