"""The command itself: exit statuses, what it imports, and commands that need no platform."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from quorate.cli.predict import columns_of
from quorate.cli.tailing import last_lines, lines_since
from quorate.cli.training import flags

HEAVY = ("numpy", "grpc", "pyarrow", "sqlalchemy", "pydantic", "torch", "onnxruntime", "rich.table")


def test_asking_for_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from quorate.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print('\\n' + repr(sorted(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = out.splitlines()[-1]
    assert [name for name in HEAVY if f"'{name}'" in loaded] == []


@pytest.mark.parametrize("arguments", [("dance",), ("ensembles", "alias", "pets"), ("up", "--port", "x")])
def test_a_command_that_is_not_understood_exits_with_2(run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).status == 2


def test_a_member_needs_a_file_or_an_endpoint(run, home: Path) -> None:
    ran = run("members", "add", "trees", "--home", home)
    assert ran.status == 2
    assert "--endpoint HOST:PORT" in ran.err


@pytest.mark.parametrize("command", [("predict", "pets", "--text", "a"), ("jobs",), ("score", "pets", "x.csv")])
def test_without_a_platform_the_remedy_is_named(run, home: Path, command: tuple[str, ...]) -> None:
    ran = run(*command, "--home", home)
    assert (ran.status, ran.out) == (1, "")
    assert "start one with `quorate up --detach`" in ran.err


def test_the_status_of_no_platform_is_1_and_json_all_the_same(run, home: Path) -> None:
    ran = run("status", "--json", "--home", home)
    assert ran.status == 1
    assert ran.json == {"running": False, "home": str(home), "processes": []}


def test_down_without_a_platform_is_no_failure(run, home: Path) -> None:
    assert run("down", "--home", home).status == 0
    assert run("down", "--home", home, "--json").json["stopped"] is False


def test_a_bad_setting_is_named_by_its_variable(run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORATE_LEASE_SECONDS", "soon")
    ran = run("members", "--home", home)
    assert ran.status == 1
    assert "QUORATE_LEASE_SECONDS='soon'" in ran.err


def test_the_doctor_finds_this_machine_well(run, home: Path) -> None:
    ran = run("doctor", "--json", "--home", home)
    assert ran.status == 0, ran.out
    assert {finding["what"] for finding in ran.json} >= {"Python", "Redis server", "database", "store"}


def test_the_doctor_names_what_is_missing_and_how_to_get_it(run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quorate.cli.extras.MODULES", {"tuner": ("no_such_module",)})
    ran = run("doctor", "--json", "--home", home)
    assert ran.status == 1
    [finding] = [each for each in ran.json if not each["ok"]]
    assert finding["detail"] == "no_such_module not installed: pip install 'quorate[tuner]'"


def test_up_names_missing_packages_and_the_extra(run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quorate.cli.extras.MODULES", {"tuner": ("no_such_module",)})
    ran = run("up", "--detach", "--home", home)
    assert ran.status == 1
    assert "no_such_module; pip install 'quorate[all]'" in ran.err


def test_logs_of_no_platform_and_of_no_such_process_say_what_there_is(run, home: Path) -> None:
    assert "no platform has run" in run("logs", "--home", home).err
    (home / "logs").mkdir()
    (home / "logs" / "gateway.log").write_text("one\ntwo\n")
    assert run("logs", "gateway", "-n", 1, "--home", home).out == "two\n"
    assert "there are gateway" in run("logs", "tuner", "--home", home).err


def test_a_log_is_followed_by_whole_lines_even_when_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("old and long enough\n")
    offsets = {path: path.stat().st_size}
    with path.open("a") as file:
        file.write("new\nunfin")
    assert list(lines_since(path, offsets)) == ["new"]
    with path.open("a") as file:
        file.write("ished\n")
    assert list(lines_since(path, offsets)) == ["unfinished"]
    path.write_text("again\n")
    assert list(lines_since(path, offsets)) == ["again"]
    path.unlink()
    assert list(lines_since(path, offsets)) == last_lines(path, 5) == []


def test_columns_are_numbers_unless_they_are_not_or_stand_in_quotes() -> None:
    assert columns_of(["weight=4.1", "colour=red", 'zip="08540"', "note=a=b"]) == {
        "weight": 4.1,
        "colour": "red",
        "zip": "08540",
        "note": "a=b",
    }


def test_a_setting_without_a_value_is_not_understood(run, home: Path) -> None:
    ran = run("predict", "pets", "--set", "weight", "--home", home)
    assert ran.status == 2
    assert "'weight' is not COLUMN=VALUE" in ran.err


def test_options_are_written_as_the_tuner_s_flags() -> None:
    assert flags({"label": "y", "numeric": ("a", "b"), "test_share": 0.3}) == [
        "--label", "y", "--numeric", "a,b", "--test-share", "0.3",
    ]  # fmt: skip


def test_json_output_is_json_even_of_what_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    from quorate.cli.output import print_json

    print_json({"a": float("nan"), "b": (1, 2.5)})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1, 2.5]}
