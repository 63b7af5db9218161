"""The platform that the benches measure: the demo's three members, trained once, served by the embedded platform."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from quorate.client import Client
from quorate.demo.digits import digits_table, load_scans
from quorate.demo.platform import running_platform, state_of, wait_until_ready
from quorate.home import PlatformState

NAME = "digits"
VERSION = 1
MEMBERS = [f"{NAME}-{view}" for view in ("text", "image", "tabular")]


@dataclass(frozen=True)
class Bench:
    """A running platform, its home, and one test row a request."""

    home: Path
    client: Client
    test: pa.Table

    @property
    def state(self) -> PlatformState:
        return state_of(self.home)

    def address(self, member: str) -> str:
        process = self.state.process(member)
        assert process is not None, f"no worker of {member}"
        return process.address

    def artifact(self, member: str) -> Path:
        [folder] = (self.home / "store" / "members" / member).glob(f"{VERSION}-*")
        return folder

    def memory(self) -> dict[str, float]:
        """Resident MiB of every process of the platform."""
        return {name: process.memory_info().rss / 2**20 for name, process in self.processes().items()}

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time that every process of the platform has used since it started."""
        times = {name: process.cpu_times() for name, process in self.processes().items()}
        return {name: used.user + used.system for name, used in times.items()}

    def processes(self) -> dict[str, psutil.Process]:
        state = self.state
        named = {"supervisor": state.pid} | {process.name: process.pid for process in state.processes if process.pid}
        return {name: psutil.Process(pid) for name, pid in named.items()}


@contextmanager
def bench_platform(home: Path) -> Iterator[Bench]:
    """Train the digits on `home` unless they are there already, serve them, and stop at the end."""
    result_file = home / "bench.json"
    if not result_file.exists():
        result_file.parent.mkdir(parents=True, exist_ok=True)
        result_file.write_text(json.dumps(_fit(home)))
    test = pq.read_table(json.loads(result_file.read_text())["test_rows_url"].removeprefix("file://"))
    with running_platform(home) as state, Client(state.gateway) as client:
        wait_until_ready(client, NAME, VERSION)
        yield Bench(home, client, test)


def _fit(home: Path) -> dict[str, object]:
    table = home / "digits.parquet"
    pq.write_table(digits_table(*load_scans()), table)
    roles = ["--label", "digit", "--text", "transcript", "--image", "scan"]
    command = ["fit", str(table), *roles, "--out", NAME, "--local", "--json", "--home", str(home)]
    ended = subprocess.run([sys.executable, "-m", "quorate.cli", *command], stdout=subprocess.PIPE, check=True)
    return json.loads(ended.stdout)
