"""The pool's runners with children of every fate: real processes, a real database."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from quorate.db import FitStore, NewFit, StoredFit, migrate, open_database
from quorate.settings import Settings
from services.tuner.runner import MAX_ATTEMPTS, Runners
from tests.support.servers import wait_until

HANG = "import os\nwhile os.read(0, 4096): pass\n"
SAYS = """import json, os, sys
open(PID, "w").write(str(os.getpid()))
print(json.dumps({"step": "training", "progress": 0.5}), flush=True)
"""


@pytest.fixture
def fits(tmp_path: Path) -> Iterator[FitStore]:
    database = open_database(f"sqlite:///{tmp_path / 'quorate.db'}")
    migrate(database)
    yield FitStore(database)
    database.close()


@contextmanager
def running(fits: FitStore, tmp_path: Path, script: str, **settings: object) -> Iterator[Runners]:
    """Runners whose every fit is this script."""

    def command(fit_id: str, _: Settings) -> Sequence[str]:
        return [sys.executable, "-c", f"PID = {str(tmp_path / 'pid')!r}\nFIT = {fit_id!r}\n{script}"]

    runners = Runners(fits, Settings(home=tmp_path, **settings), command)  # type: ignore[arg-type]
    runners.start()
    try:
        yield runners
    finally:
        runners.stop()


def ordered(fits: FitStore) -> str:
    return fits.create(NewFit("table", "pets", "file:///pets.parquet", {"label": "species"})).id


def ended(fits: FitStore, fit_id: str) -> StoredFit:
    wait_until(lambda: fits.get(fit_id).ended, 30, "the fit ends")
    return fits.get(fit_id)


def alive(tmp_path: Path) -> bool:
    """Whether the process that wrote its pid last still runs."""
    try:
        return psutil.Process(int((tmp_path / "pid").read_text())).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_result_ends_the_fit_without_a_doorbell(fits: FitStore, tmp_path: Path) -> None:
    fit_id = ordered(fits)
    with running(fits, tmp_path, SAYS + "print('noise')\nprint(json.dumps({'result': {'ensemble': FIT}}))"):
        fit = ended(fits, fit_id)
    assert (fit.state, fit.result) == ("done", {"ensemble": fit_id})


def test_a_doorbell_wakes_a_runner_at_once(fits: FitStore, tmp_path: Path) -> None:
    with running(fits, tmp_path, "print('{\"result\": {}}')") as runners:
        fit_id = ordered(fits)
        runners.wake()
        assert ended(fits, fit_id).state == "done"


def test_progress_is_seen_while_the_fit_runs(fits: FitStore, tmp_path: Path) -> None:
    fit_id = ordered(fits)
    with running(fits, tmp_path, SAYS + HANG):
        wait_until(lambda: fits.get(fit_id).step == "training", 30)
        assert fits.get(fit_id).progress == 0.5


def test_an_error_that_the_child_states_is_the_fits_error(fits: FitStore, tmp_path: Path) -> None:
    fit_id = ordered(fits)
    with running(fits, tmp_path, SAYS + "print(json.dumps({'error': 'the label is missing'}))\nsys.exit(2)"):
        fit = ended(fits, fit_id)
    assert (fit.state, fit.error) == ("failed", "the label is missing")


def test_a_crash_is_told_with_its_signal_its_step_and_its_last_words(fits: FitStore, tmp_path: Path) -> None:
    fit_id = ordered(fits)
    script = SAYS + "print('disk on fire', file=sys.stderr, flush=True)\nos.kill(os.getpid(), 9)"
    with running(fits, tmp_path, script):
        error = ended(fits, fit_id).error
    assert "killed by signal 9; the machine may be out of memory) while training" in error
    assert "disk on fire" in error


def test_a_fit_over_its_memory_is_ended_and_says_what_to_do(fits: FitStore, tmp_path: Path) -> None:
    fit_id = ordered(fits)
    script = SAYS + "held = bytearray(os.urandom(1 << 20)) * 150\n" + HANG
    with running(fits, tmp_path, script, max_fit_bytes=100 << 20):
        error = ended(fits, fit_id).error
    assert "100 MiB are allowed (QUORATE_MAX_FIT_BYTES)" in error
    assert not alive(tmp_path)


def test_memory_counts_what_the_child_starts(fits: FitStore, tmp_path: Path) -> None:
    fit_id = ordered(fits)
    inner = f"import os; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
    inner += "held = bytearray(b'x') * (150 << 20); input()"
    script = SAYS + f"import subprocess\nsubprocess.run([sys.executable, '-c', {inner!r}])"
    with running(fits, tmp_path, script, max_fit_bytes=100 << 20):
        assert "MiB of memory" in ended(fits, fit_id).error
    wait_until(lambda: not alive(tmp_path), 10, "the child's child is gone")


def test_a_stopping_pool_puts_its_fit_back_and_leaves_no_process(fits: FitStore, tmp_path: Path) -> None:
    fit_id = ordered(fits)
    with running(fits, tmp_path, SAYS + HANG):
        wait_until(lambda: fits.get(fit_id).step == "training", 30)
    assert fits.get(fit_id).state == "queued"
    assert not alive(tmp_path)


def test_a_runner_whose_claim_was_taken_ends_its_child_and_says_nothing(fits: FitStore, tmp_path: Path) -> None:
    fit_id = ordered(fits)
    with running(fits, tmp_path, SAYS + HANG):
        wait_until(lambda: fits.get(fit_id).step == "training", 30)
        held = fits.get(fit_id)
        fits.fail(fit_id, held.token, "taken by another")
        wait_until(lambda: not alive(tmp_path), 30, "the child is gone")
    assert fits.get(fit_id).error == "taken by another"


def test_a_fit_that_keeps_ending_its_pool_is_given_up(fits: FitStore, tmp_path: Path) -> None:
    fit_id = ordered(fits)
    for _ in range(MAX_ATTEMPTS):
        assert fits.claim(lease_seconds=-1) is not None
    with running(fits, tmp_path, "raise SystemExit(json)"):
        assert f"{MAX_ATTEMPTS} attempts" in ended(fits, fit_id).error


def test_the_real_child_reports_a_table_that_is_not_there(fits: FitStore, tmp_path: Path) -> None:
    fit_id = fits.create(NewFit("table", "pets", (tmp_path / "none.parquet").as_uri(), {"label": "species"})).id
    runners = Runners(fits, Settings(home=tmp_path))
    runners.start()
    try:
        wait_until(lambda: fits.get(fit_id).ended, 120, "the fit ends")
    finally:
        runners.stop()
    assert fits.get(fit_id).error == f"{(tmp_path / 'none.parquet').as_uri()} does not exist"
    assert json.dumps(fits.get(fit_id).options) == '{"label": "species"}'
