"""Progress bars of work that the platform does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from quorate.cli.output import console

if TYPE_CHECKING:
    from rich.progress import Progress

    from quorate.client import FitProgress, JobProgress


@contextmanager
def job_bar() -> Iterator[Callable[[JobProgress], None]]:
    """Show a job's rows; call what this gives with each JobProgress."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"))
    with _shown(Progress(*columns, TimeRemainingColumn(), console=console(to_stderr=True))) as bar:
        task = bar.add_task("planning", total=None, speed="")
        waits: set[str] = set()

        def show(job: JobProgress) -> None:
            if job.error and not job.ended and job.error not in waits:
                waits.add(job.error)
                bar.console.print(f"the job waits: {job.error}", markup=False)
            rejected = f", {job.rows_rejected} rejected" if job.rows_rejected else ""
            speed = f"{job.rows_per_second:,.0f} rows/s{rejected}"
            bar.update(task, description=job.state, total=job.rows or None, completed=job.rows_done, speed=speed)

        yield show


@contextmanager
def step_bar() -> Iterator[Callable[[str, float], None]]:
    """Show a step's name and the share of all work that is done, 0 to 1."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with _shown(Progress(*columns, console=console(to_stderr=True))) as bar:
        task = bar.add_task("waiting for the tuner", total=1.0)
        yield lambda step, done: bar.update(task, description=step or "working", completed=done)
        bar.update(task, description="done", completed=1.0)


@contextmanager
def _shown(bar: Progress) -> Iterator[Progress]:
    """Show the bar; what fails leaves none behind, so that the error stands alone."""
    with bar:
        try:
            yield bar
        except BaseException:
            bar.live.transient = True
            raise


@contextmanager
def fit_bar() -> Iterator[Callable[[FitProgress], None]]:
    """Show a fit; call what this gives with each FitProgress."""
    with step_bar() as show:
        yield lambda fit: show(fit.step or fit.state, fit.progress)
