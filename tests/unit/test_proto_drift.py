"""The committed code under shared/quorate/rpc is what proto/ generates."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROTOS = sorted(path.relative_to(ROOT / "proto") for path in (ROOT / "proto").rglob("*.proto"))


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("rpc")
    flags = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
    files = [f"quorate/rpc/{proto}" for proto in PROTOS]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", "quorate/rpc=proto", *flags, *files]
    subprocess.run(command, cwd=ROOT, check=True)
    return target


@pytest.mark.parametrize("proto", PROTOS, ids=str)
@pytest.mark.parametrize("suffix", ["_pb2.py", "_pb2.pyi", "_pb2_grpc.py"])
def test_generated_code_is_what_the_proto_says(generated: Path, proto: Path, suffix: str) -> None:
    name = Path("quorate/rpc") / proto.with_name(proto.stem + suffix)
    committed = ROOT / "shared" / name
    assert committed.read_text() == (generated / name).read_text(), f"{committed} is stale: run `make proto`"


def test_no_generated_file_has_lost_its_proto() -> None:
    made_from = {proto.with_suffix("") for proto in PROTOS}
    folder = ROOT / "shared/quorate/rpc"
    for path in folder.rglob("*_pb2.py"):
        assert Path(str(path.relative_to(folder)).removesuffix("_pb2.py")) in made_from, f"{path} has no proto"
