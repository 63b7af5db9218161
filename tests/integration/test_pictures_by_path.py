"""A local CSV that names its pictures by path is scored like a table that holds them."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow.parquet as pq

from tests.support.digits import NAME, ServedDigits


def test_pictures_named_by_path_are_sent_along(digits: ServedDigits, tmp_path: Path) -> None:
    rows = digits.test.slice(0, 6).select(["scan", "transcript", "digit"]).to_pylist()
    with (tmp_path / "digits.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["scan", "transcript"])
        for number, row in enumerate(rows[:5]):
            (tmp_path / f"{number}.png").write_bytes(row["scan"])
            table.writerow([f"{number}.png", row["transcript"]])
        table.writerow(["gone.png", rows[5]["transcript"]])
    scored = digits.client.score(NAME, tmp_path / "digits.csv", tmp_path / "out", columns=["label", "quorum"])
    answers = pq.read_table(scored.parts[0])
    assert answers["row"].to_pylist() == [0, 1, 2, 3, 4]
    assert all(set(quorum) == {"digits-image", "digits-text"} for quorum in answers["quorum"].to_pylist())
    rejects = pq.read_table(tmp_path / "out/rejects.parquet").to_pylist()
    assert [reject["row"] for reject in rejects] == [5]
    assert "gone.png" in rejects[0]["reason"]
