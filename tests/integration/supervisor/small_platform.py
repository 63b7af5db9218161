"""Supervise small processes: `python small_platform.py HOME SPECS`, SPECS as a JSON list of their fields."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

from services.supervisor.lock import sole_supervisor
from services.supervisor.orphans import end_orphans
from services.supervisor.spec import Probe, ProcessSpec, RestartPolicy, Stage
from services.supervisor.supervisor import Supervisor


def read_spec(fields: dict[str, Any]) -> ProcessSpec:
    return ProcessSpec(**{**fields, "kind": Stage(fields["kind"]), "probe": Probe(fields.get("probe", "none"))})


def main() -> None:
    home = Path(sys.argv[1])
    with sole_supervisor(home):
        end_orphans(home, grace_seconds=1)
        specs = [read_spec(fields) for fields in json.loads(sys.argv[2])]
        supervisor = Supervisor(home, specs, policy=RestartPolicy(first_seconds=0.05, stable_seconds=60))
        signal.signal(signal.SIGTERM, lambda *_: supervisor.stop())
        supervisor.run()


if __name__ == "__main__":
    main()
