"""What the suite is pointed at: `--target FILE`, a JSON object written by whoever started the server.

{"address", "model", "version", "rows", "outputs": [names], "labels": [...], "inputs": [{"name", "datatype", "shape",
"data"}]}, where the data of BYTES is base64. Runs in the peers' venv: nothing here imports Quorate.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2_grpc
from tritonclient.utils import triton_to_np_dtype


def pytest_addoption(parser):
    parser.addoption("--target", type=Path, required=True)


@dataclass(frozen=True)
class Target:
    address: str
    model: str
    version: str
    labels: list
    outputs: list
    arrays: dict
    datatypes: dict

    @property
    def rows(self):
        return len(next(iter(self.arrays.values())))

    def inputs(self, only=None):
        """The sample batch as tritonclient's inputs."""
        return [as_input(name, self.arrays[name], self.datatypes[name]) for name in only or self.arrays]


def as_input(name, array, datatype):
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor


def decoded(tensor):
    if tensor["datatype"] == "BYTES":
        data = np.array([base64.b64decode(item) for item in tensor["data"]], dtype=object)
    else:
        data = np.array(tensor["data"], dtype=triton_to_np_dtype(tensor["datatype"]))
    return data.reshape(tensor["shape"])


@pytest.fixture(scope="session")
def target(request):
    described = json.loads(request.config.getoption("--target").read_text())
    return Target(
        address=described["address"],
        model=described["model"],
        version=described["version"],
        labels=described["labels"],
        outputs=described["outputs"],
        arrays={tensor["name"]: decoded(tensor) for tensor in described["inputs"]},
        datatypes={tensor["name"]: tensor["datatype"] for tensor in described["inputs"]},
    )


@pytest.fixture(scope="session")
def client(target):
    with triton.InferenceServerClient(target.address) as client:
        yield client


@pytest.fixture(scope="session")
def stub(target):
    import grpc

    with grpc.insecure_channel(target.address) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)
