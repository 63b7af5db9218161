"""Each service runs on its own extra, in an environment of its own: nothing that it imports is left to chance."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging
ROOT = Path(__file__).parents[2]
FIND = """
import importlib, importlib.util, json, sys
modules, strangers = json.loads(sys.argv[1])
for module in modules:
    importlib.import_module(module)
print(json.dumps([name for name in strangers if importlib.util.find_spec(name) is not None]))
"""
COORDINATOR = [
    "services.coordinator",
    "services.coordinator.__main__",
    "services.coordinator.gateway.server",
    "services.coordinator.queue.pool",
]
WORKERS = ["services.text.__main__", "services.image.__main__", "services.tabular.__main__"]
CLIENT = ["quorate.client", "quorate.cli.app"]


def installed(folder: Path, extra: str) -> Path:
    """Return the interpreter of a new environment that holds the checkout with one extra; skips without an index."""
    venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", ROOT / "constraints.txt"]
    ended = subprocess.run([*pip, f"{ROOT}[{extra}]"], capture_output=True, text=True, timeout=280)
    if ended.returncode and "No matching distribution" in ended.stderr + ended.stdout:
        pytest.skip(f"the extra {extra!r} cannot be tried, since pip reaches no index: {ended.stderr[-500:]}")
    assert ended.returncode == 0, ended.stderr
    return python


@pytest.mark.parametrize(
    ("extra", "modules", "strangers"),
    [
        ("coordinator", COORDINATOR, ["torch", "onnxruntime", "sklearn", "scipy", "lightgbm", "PIL", "tokenizers"]),
        ("worker", WORKERS, ["torch", "celery", "redis", "sklearn", "scipy", "lightgbm", "onnx"]),
    ],
    ids=["coordinator", "worker"],
)
def test_a_service_needs_its_own_extra_and_no_more(
    tmp_path: Path, extra: str, modules: list[str], strangers: list[str]
) -> None:
    python = installed(tmp_path / "environment", extra)
    arguments = json.dumps([[*modules, *CLIENT], strangers])
    found = subprocess.run([python, "-c", FIND, arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout) == []
    started = [python, "-m", modules[-1].removesuffix(".__main__").split(".queue")[0], "--help"]
    assert "usage" in subprocess.run(started, cwd=tmp_path, capture_output=True, text=True, timeout=60).stdout.lower()


def test_the_wheel_holds_the_library_and_the_services_and_no_tests(tmp_path: Path) -> None:
    built = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT]
    ended = subprocess.run(built, capture_output=True, text=True, timeout=200)
    if ended.returncode and "No matching distribution" in ended.stderr + ended.stdout:
        pytest.skip(f"no wheel can be built, since pip reaches no index: {ended.stderr[-500:]}")
    assert ended.returncode == 0, ended.stderr
    [wheel] = tmp_path.glob("*.whl")
    listing = [sys.executable, "-m", "zipfile", "-l", wheel]
    names = [
        line.split()[0]
        for line in subprocess.run(listing, capture_output=True, text=True, check=True).stdout.splitlines()
    ]
    assert {"quorate/py.typed", "quorate/db/migrations/script.py.mako", "services/tuner/__main__.py"} <= set(names)
    roots = {name.split("/")[0] for name in names[1:]}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"quorate", "services"}
