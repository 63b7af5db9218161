"""What a fit leaves in the store beside its artifacts: out-of-fold outputs, and the untouched test part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from services.tuner.dataset import Dataset
from services.tuner.evaluation import Outputs


@dataclass(frozen=True)
class KeptFiles:
    """URLs of what a fit leaves in `store/fits/ID/`."""

    out_of_fold: str
    test_rows: str


def keep_files(store_url: str, fit_id: str, dataset: Dataset, names: Sequence[str], given: Outputs) -> KeptFiles:
    """Write both as Parquet and return where."""
    folder = f"{store_url}/fits/{fit_id}"
    kept = KeptFiles(f"{folder}/out_of_fold.parquet", f"{folder}/test.parquet")
    targets = dataset.targets[dataset.train]
    write_parquet(kept.out_of_fold, outputs_table(dataset.train, targets, names, given, fold=pa.array(dataset.folds)))
    write_parquet(kept.test_rows, dataset.table.take(pa.array(dataset.test)))
    return kept


def outputs_table(
    rows: NDArray[Any], targets: NDArray[Any], names: Sequence[str], given: Outputs, **more: pa.Array
) -> pa.Table:
    """Each row's number in its table and its target, and a column of lists a member: null where it is not present."""
    columns: dict[str, Any] = {"row": pa.array(rows), "target": pa.array(targets), **more}
    for name, outputs, present in zip(names, given.outputs, given.present, strict=True):
        offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int32) * outputs.shape[1])
        values = pa.array(outputs.astype(np.float64).ravel())
        columns[name] = pa.ListArray.from_arrays(offsets, values, mask=pa.array(~present))
    return pa.table(columns)


def write_parquet(url: str, table: pa.Table) -> None:
    """Write the table to any fsspec URL."""
    fs, path = fsspec.core.url_to_fs(url)
    fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
    with fs.open(path, "wb") as file:
        pq.write_table(table, file)
