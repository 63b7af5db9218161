"""The embedded platform as a user meets it: up, asked, hurt, down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from quorate.client import Client
from quorate.home import ProcessState, read_state
from services.supervisor.orphans import orphans
from tests.integration.platform.conftest import Quorate, write_onnx
from tests.support.servers import wait_until


@pytest.fixture
def client(platform: dict[str, Any]) -> Client:
    return Client(platform["gateway"])


def worker(home: Path, name: str) -> ProcessState | None:
    state = read_state(home)
    found = state.process(name) if state else None
    return found if found and found.state == "running" else None


def test_every_process_is_shown_with_its_pid_state_and_address(platform: dict[str, Any]) -> None:
    shown = {process["name"]: process for process in platform["processes"]}
    assert set(shown) == {"redis", "gateway", "coordinator", "tuner", "worker-larger-tabular"}
    assert {process["state"] for process in shown.values()} == {"running"}
    assert all(psutil.pid_exists(process["pid"]) for process in shown.values())
    assert shown["gateway"]["address"] == platform["gateway"]
    assert all(address.startswith("127.0.0.1:") for process in shown.values() if (address := process["address"]))


def test_everything_listens_on_the_loopback_interface_alone(platform: dict[str, Any]) -> None:
    for process in platform["processes"]:
        for connection in psutil.Process(process["pid"]).net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN:
                assert connection.laddr.ip.removeprefix("::ffff:") in ("127.0.0.1", "::1"), process["name"]


def test_a_second_platform_of_the_same_home_is_refused(platform: dict[str, Any], quorate: Quorate) -> None:
    assert f"already runs in {platform['home']} (pid {platform['pid']}" in quorate("up", "--detach", status=1)


def test_the_command_asks_the_ensemble(platform: dict[str, Any], quorate: Quorate) -> None:
    answer = json.loads(quorate("predict", "larger", "--set", "x=2", "--set", "y=1", "--set", "z=0", "--json"))
    assert (answer["label"], answer["answered"], answer["failed"]) == ("a", ["larger-tabular"], [])
    assert "larger-tabular" in quorate("predict", "larger", "--set", "x=0", "--set", "y=1", "--set", "z=0", "--members")
    assert quorate("predict", "nobody", "--set", "x=0", status=1).startswith("error: no ensemble")


def test_a_killed_worker_comes_back_at_the_same_address(
    platform: dict[str, Any], platform_home: Path, client: Client
) -> None:
    before = wait_until(lambda: worker(platform_home, "larger-tabular"))
    os.kill(before.pid or 0, signal.SIGKILL)
    after = wait_until(lambda: (now := worker(platform_home, "larger-tabular")) and now.pid != before.pid and now)
    assert (after.address, after.restarts) == (before.address, before.restarts + 1)
    wait_until(lambda: client.ensembles()[0].ready, describe="the ensemble is ready again")
    assert client.predict("larger", columns={"x": 0, "y": 1, "z": 0}, timeout=10).label == "b"


def test_a_member_that_is_added_gets_a_worker_at_once(
    platform: dict[str, Any], platform_home: Path, quorate: Quorate, client: Client, tmp_path: Path
) -> None:
    model = write_onnx(tmp_path / "late.onnx")
    quorate("members", "add", "late", "--onnx", model, "--labels", "a,b", "--columns", "x,y,z")
    added = wait_until(lambda: worker(platform_home, "late"))
    wait_until(
        lambda: any(member.name == "late" and added.address in member.addresses for member in client.members()),
        describe="the gateway knows the new worker's address",
    )


def test_a_worker_can_be_a_member_by_its_endpoint_as_any_other_server(
    platform: dict[str, Any], platform_home: Path, quorate: Quorate, client: Client, tmp_path: Path
) -> None:
    address = wait_until(lambda: worker(platform_home, "larger-tabular")).address
    quorate("members", "add", "elsewhere", "--endpoint", address, "--model", "larger-tabular")
    spec = tmp_path / "both.yaml"
    spec.write_text("name: both\nmembers: [larger-tabular, elsewhere]\n")
    quorate("ensembles", "create", spec)
    wait_until(lambda: any(each.name == "both" and each.ready for each in client.ensembles()))
    answer = client.predict("both", columns={"x": 3, "y": 1, "z": 0}, members=True, timeout=10)
    assert answer.answered == ("larger-tabular", "elsewhere")
    assert answer.by_member["elsewhere"].tolist() == answer.by_member["larger-tabular"].tolist()


def test_logs_are_kept_a_process(platform: dict[str, Any], quorate: Quorate) -> None:
    assert "serving" in quorate("logs", "gateway")
    assert "serving" in quorate("logs", "larger-tabular", "-n", "100")


def test_down_leaves_nothing_and_up_serves_the_same_again(
    platform: dict[str, Any], platform_home: Path, quorate: Quorate
) -> None:
    assert f"stopped (pid {platform['pid']})" in quorate("down")
    assert orphans(platform_home) == []
    assert not psutil.pid_exists(platform["pid"]) or psutil.Process(platform["pid"]).status() == psutil.STATUS_ZOMBIE
    quorate("status", status=1)
    command = [sys.executable, "-m", "quorate.cli", "up", "--home", str(platform_home)]
    foreground = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_until(lambda: (state := read_state(platform_home)) and state.ready, 60)
    wait_until(lambda: worker(platform_home, "larger-tabular"), 60)
    answer = json.loads(quorate("predict", "larger", "--set", "x=2", "--set", "y=1", "--set", "z=0", "--json"))
    foreground.send_signal(signal.SIGINT)  # Ctrl-C
    assert foreground.wait(60) == 0
    assert orphans(platform_home) == []
    assert answer["label"] == "a"
