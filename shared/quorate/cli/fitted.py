"""A fit's result as tables: the members, the ensemble, and the roles that its columns had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quorate.cli.output import print_table

METRICS = ("accuracy", "macro_f1", "log_loss", "roc_auc", "rmse", "mae", "r2")


def print_fit(result: Mapping[str, Any]) -> None:
    """Print what was fitted and how well it does on rows that nothing was chosen on."""
    members = result.get("members", [])
    ensemble = result.get("ensemble_metrics") or {}
    shown = [metric for metric in METRICS if metric in ensemble or any(metric in member for member in members)]
    rows: list[list[object]] = [
        [member["name"], member.get("view", ""), *(member.get(metric) for metric in shown)] for member in members
    ]
    rows.append([f"{result['ensemble']} (ensemble)", "all", *(ensemble.get(metric) for metric in shown)])
    print_table(("name", "view", *shown), rows)
    counts = result.get("rows") or {}
    if counts:
        print(", ".join(f"{count} {part} rows" for part, count in counts.items()))
    name, version = result["ensemble"], result["version"]
    print(f"registered {name} version {version}")
    if version > 1:
        print(f"to have it answer: quorate ensembles alias {name} live {version}")


def print_roles(rows: Sequence[tuple[str, str, str]]) -> None:
    """Print each column's role, and why it has it."""
    print_table(("column", "role", "because"), rows)
