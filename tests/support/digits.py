"""A small ensemble on real digits, trained once a session and served by the embedded platform."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from quorate.cli.training import fit_here
from quorate.client import Client
from quorate.demo.digits import digits_table, load_scans
from quorate.demo.platform import running_platform, state_of, wait_until_ready
from quorate.demo.run import ROLES
from quorate.settings import Settings
from quorate.tensors import datatype_of

NAME = "digits"
MEMBERS = ("digits-text", "digits-image", "digits-tabular")
QUICK = {"max_epochs": 3, "boosting_rounds": 40}


@dataclass(frozen=True)
class ServedDigits:
    """The running platform, what its fit said, and the rows that nothing was chosen on."""

    home: Path
    client: Client
    result: dict[str, Any]
    test: pa.Table

    def address(self, process: str) -> str:
        found = state_of(self.home).process(process)
        assert found is not None, f"no process {process}"
        return found.address

    def tensors(self, rows: int) -> dict[str, np.ndarray]:
        """The ensemble's tensors for the first rows of the test part: what the fit left out is left out here."""
        roles = [role for role in self.result["roles"]["columns"] if role["name"] and role["role"] != "label"]
        return {role["name"]: _array(self.test[role["column"]].slice(0, rows)) for role in roles}


@contextmanager
def served_digits(home: Path, scans: int = 600) -> Iterator[ServedDigits]:
    """Train on the first `scans` digits, serve them, and stop at the end."""
    table = home / "digits.parquet"
    home.mkdir(parents=True, exist_ok=True)
    images, digits = load_scans()
    pq.write_table(digits_table(images[:scans], digits[:scans]), table)
    result = fit_here(str(table), NAME, ROLES | QUICK, Settings(home=home), lambda step, done: None)
    test = pq.read_table(result["test_rows_url"].removeprefix("file://"))
    with running_platform(home) as state, Client(state.gateway) as client:
        wait_until_ready(client, NAME, 1)
        yield ServedDigits(home, client, result, test)


def _array(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_floating(column.type):
        return column.to_numpy()
    array = np.empty(len(column), dtype=object)
    array[:] = [value.encode() if isinstance(value, str) else value for value in column.to_pylist()]
    return array


def conformance_target(address: str, model: str, outputs: list[str], tensors: dict[str, np.ndarray]) -> str:
    """Describe a server to the conformance suite, which runs where Quorate is not."""
    inputs = [
        {
            "name": name,
            "datatype": datatype_of(array),
            "shape": array.shape,
            "data": [base64.b64encode(item).decode() for item in array] if array.dtype == object else array.tolist(),
        }
        for name, array in tensors.items()
    ]
    labels = [str(digit) for digit in range(10)]
    described = {"address": address, "model": model, "version": "1", "labels": labels, "outputs": outputs}
    return json.dumps(described | {"inputs": inputs})
