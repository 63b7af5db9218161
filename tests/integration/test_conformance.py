"""tritonclient, in a process and a venv of its own, finds the gateway and every worker conformant."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.digits import NAME, ServedDigits, conformance_target
from tests.support.peers import ROOT, peers_python

READS = {"digits-text": ("text",), "digits-image": ("image",)}


@pytest.mark.peers
@pytest.mark.parametrize("model", [NAME, "digits-text", "digits-image", "digits-tabular"])
def test_tritonclient_finds_the_server_conformant(digits: ServedDigits, model: str, tmp_path: Path) -> None:
    python = peers_python()
    tensors = digits.tensors(4)
    if model == NAME:
        address, outputs = digits.client.gateway, ["probabilities", "label"]
    else:
        address, outputs = digits.address(model), ["probabilities"]
        wanted = READS.get(model, tuple(name for name in tensors if name not in ("text", "image")))
        tensors = {name: tensors[name] for name in wanted}
    target = tmp_path / "target.json"
    target.write_text(conformance_target(address, model, outputs, tensors))
    suite = ROOT / "tests/conformance"
    command = [python, "-m", "pytest", "-q", "-c", suite / "pytest.ini", suite, "--target", target]
    ended = subprocess.run(command, cwd=suite, capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
    assert " passed" in ended.stdout
