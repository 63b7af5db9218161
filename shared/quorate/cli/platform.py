"""`quorate up`, `down`, `status` and `logs`: the embedded platform of a home."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from quorate.cli.options import Home, Json, settings_of
from quorate.cli.output import console, print_json, print_table, say
from quorate.errors import NotFound, Unavailable

Host = Annotated[str, typer.Option("--host", help="The interface that the gateway listens on.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="The gateway's port [default: a free one].")]
Detach = Annotated[bool, typer.Option("--detach", "-d", help="Return once the platform is ready.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on printing what is added.")]


def up(
    home: Home = None, host: Host = "127.0.0.1", port: Port = 0, detach: Detach = False, as_json: Json = False
) -> None:
    """Start the platform: Redis, the gateway, both pools, and a worker for every registered member."""
    from quorate.cli.extras import require_platform
    from quorate.cli.launching import refuse_second, start_detached

    require_platform()
    folder = settings_of(home).home
    refuse_second(folder)
    command = [sys.executable, "-m", "services.supervisor", "--home", str(folder), "--host", host, "--port", str(port)]
    if not detach:
        os.execv(command[0], command)  # noqa: S606
    state, unready = start_detached(command, folder)
    for process in unready:
        say(f"warning: {process} is not ready yet; see `quorate logs {process}`")
    if as_json:
        print_json(asdict(state))
    else:
        print(f"gateway {state.gateway} (pid {state.pid}, home {folder})")


def down(home: Home = None, as_json: Json = False) -> None:
    """Stop the platform of this home, every process of it."""
    from quorate.cli.launching import stop

    folder = settings_of(home).home
    pid = stop(folder)
    if as_json:
        print_json({"stopped": pid is not None, "pid": pid, "home": str(folder)})
    else:
        print(f"stopped (pid {pid})" if pid is not None else f"no platform runs in {folder}")


def status(home: Home = None, as_json: Json = False) -> None:
    """Show every process with its pid, state and address; exits with 1 where no platform runs."""
    from quorate.home import read_state

    folder = settings_of(home).home
    state = read_state(folder)
    if as_json:
        print_json(
            {"running": True, **asdict(state)} if state else {"running": False, "home": str(folder), "processes": []}
        )
    elif state is None:
        console().print(f"no platform runs in {folder}; start one with `quorate up`", markup=False)
    else:
        print(f"gateway {state.gateway}, home {state.home}, supervisor pid {state.pid}")
        rows = [(each.name, each.pid, each.state, each.address, each.restarts) for each in state.processes]
        print_table(("process", "pid", "state", "address", "restarts"), rows)
    if state is None:
        raise typer.Exit(1)


def logs(
    process: Annotated[
        str | None, typer.Argument(help="A process of `quorate status`, or a member [default: all].")
    ] = None,
    home: Home = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines to print.")] = 50,
    follow: Follow = False,
) -> None:
    """Print the last lines of the processes' logs."""
    from quorate.cli.tailing import last_lines, new_lines

    folder = settings_of(home).home
    paths = _log_files(folder, process)
    prefix = len(paths) > 1
    for path in paths:
        for line in last_lines(path, lines):
            print(f"{path.stem}: {line}" if prefix else line)
    if follow:
        for path, line in new_lines(paths):
            print(f"{path.stem}: {line}" if prefix else line, flush=True)


def _log_files(folder: Path, process: str | None) -> list[Path]:
    paths = sorted((folder / "logs").glob("*.log"))
    if not paths:
        raise Unavailable(f"there are no logs in {folder / 'logs'}; no platform has run in {folder}")
    if process is None:
        return paths
    chosen = [path for path in paths if path.stem in (process, f"worker-{process}")]
    if not chosen:
        raise NotFound(f"there is no log of {process!r}; there are {', '.join(path.stem for path in paths)}")
    return chosen
