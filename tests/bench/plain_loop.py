"""The loop that a job is measured against: `python -m tests.bench.plain_loop INPUT OUTPUT_DIR MEMBER_DIR ...`.

One process a core; each reads its share of the Parquet file, runs every member's ONNX file over it, averages, and
writes its part. No queue, no wire, no ledger, no retry: the ceiling of what the same models do on this machine.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq

from quorate.artifacts import LoadedArtifact
from quorate.manifest import manifest_from_json

BATCH_ROWS = 1024


class PlainMember:
    """A member's preprocessing and ONNX session, in this process."""

    def __init__(self, folder: Path) -> None:
        artifact = LoadedArtifact(manifest_from_json((folder / "member.json").read_bytes()), folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(artifact.model_path, options)
        self._inputs = artifact.manifest.model_inputs
        [self._preprocessor] = artifact.preprocessors().values()

    def probabilities(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        wanted = [name for binding in self._preprocessor.inputs for name in binding.columns]
        feed = self._preprocessor.transform({name: columns[name] for name in wanted})
        outputs = self._session.run(["probabilities"], {self._inputs.get(name, name): x for name, x in feed.items()})
        return np.asarray(outputs[0])


def score(source: Path, target: Path, folders: list[Path], worker: int, workers: int, names: Mapping[str, str]) -> None:
    members = [PlainMember(folder) for folder in folders]
    parts = []
    for index, batch in enumerate(pq.ParquetFile(source).iter_batches(BATCH_ROWS)):
        if index % workers != worker:
            continue
        columns = {names.get(name, name): _array(batch[name]) for name in batch.schema.names}
        mean = np.mean([member.probabilities(columns) for member in members], axis=0)
        rows = np.arange(index * BATCH_ROWS, index * BATCH_ROWS + len(mean))
        parts.append(pa.table({"row": rows, "label": mean.argmax(axis=1), "probabilities": list(mean)}))
    pq.write_table(pa.concat_tables(parts), target / f"part-{worker:05}.parquet")


def _array(column: pa.Array) -> np.ndarray:
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        return column.to_numpy(zero_copy_only=False)
    values = np.empty(len(column), dtype=object)
    values[:] = [value.encode() if isinstance(value, str) else value for value in column.to_pylist()]
    return values


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("members", type=Path, nargs="+")
    parser.add_argument("--rename", default="{}", help="JSON object: table column to tensor name")
    a = parser.parse_args()
    a.target.mkdir(parents=True, exist_ok=True)
    workers = os.cpu_count() or 1
    started = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=score, args=(a.source, a.target, a.members, worker, workers, json.loads(a.rename)))
        for worker in range(workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit("a loop process failed")
    print(json.dumps({"seconds": time.perf_counter() - started, "processes": workers}))


if __name__ == "__main__":
    main()
