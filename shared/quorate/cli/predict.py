"""`quorate predict`: one item, answered now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quorate.cli.options import EnsembleName, Gateway, Home, Json, client_of
from quorate.cli.output import print_json, print_table

if TYPE_CHECKING:
    from quorate.client import Prediction

Settings = Annotated[
    list[str],
    typer.Option(
        "--set", metavar="COLUMN=VALUE", help="A column of the table; a number unless quoted: --set 'zip=\"08540\"'."
    ),
]


def predict(
    name: EnsembleName,
    text: Annotated[str | None, typer.Option("--text", help="The item's text.")] = None,
    image: Annotated[Path | None, typer.Option("--image", help="The item's picture, a JPEG or PNG file.")] = None,
    settings: Settings = [],  # noqa: B006 - Typer reads it and never changes it
    version: Annotated[str, typer.Option("--version", help="A number or an alias.")] = "",
    members: Annotated[bool, typer.Option("--members", help="Show what each member said.")] = False,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0.001, help="Seconds to wait for an answer.")
    ] = None,
    gateway: Gateway = "",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Ask an ensemble about one item; a view that is left out is missing, and no error."""
    columns = columns_of(settings)
    with client_of(home, gateway) as client:
        answer = client.predict(
            name, version=version, text=text, image=image, columns=columns, members=members, timeout=timeout
        )
    if as_json:
        print_json(_summary(answer))
    else:
        _show(answer)


def columns_of(settings: Sequence[str]) -> dict[str, Any]:
    """Read `column=value` pairs: a number where it is one, text where it is not or stands in quotes."""
    columns = {}
    for setting in settings:
        column, equals, value = setting.partition("=")
        if not equals or not column:
            raise typer.BadParameter(f"{setting!r} is not COLUMN=VALUE", param_hint="--set")
        columns[column] = _value(value)
    return columns


def _value(text: str) -> Any:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    try:
        return float(text)
    except ValueError:
        return text


def _summary(answer: Prediction) -> dict[str, Any]:
    output = {"value": answer.value} if len(answer.values) else _classes(answer)
    return {
        "ensemble": answer.ensemble,
        "version": answer.version,
        **output,
        "answered": answer.answered,
        "missing": answer.missing,
        "late": answer.late,
        "failed": answer.failed,
        "reasons": answer.reasons,
        "degraded": answer.degraded,
        "expected_quality": answer.expected_quality,
        "members": {name: said[0].tolist() for name, said in answer.by_member.items()},
        "latency_ms": answer.latency_seconds * 1e3,
    }


def _classes(answer: Prediction) -> dict[str, Any]:
    row = answer.probabilities[0].tolist() if len(answer.probabilities) else []
    return {"label": answer.label, "probabilities": dict(zip(answer.classes, row, strict=False))}


def _show(answer: Prediction) -> None:
    summary = _summary(answer)
    print(f"{summary.get('label') or summary.get('value', '')}  ({answer.ensemble} version {answer.version})")
    likeliest = sorted(summary.get("probabilities", {}).items(), key=lambda pair: -pair[1])[:5]
    if likeliest:
        print_table(("label", "probability"), likeliest)
    said = {name: json.dumps([round(each, 4) for each in row]) for name, row in summary["members"].items()}
    rows = [
        (
            each.member,
            each.version,
            each.status.value,
            round(each.latency_seconds * 1e3),
            each.reason,
            *([said.get(each.member, "")] if said else []),
        )
        for each in answer.members
    ]
    print_table(("member", "version", "status", "ms", "reason", *(["said"] if said else [])), rows)
    if (quality := answer.expected_quality) is not None:
        print(
            f"expected {quality.metric} of this quorum: {quality.value:.3f} "
            f"({quality.low:.3f} to {quality.high:.3f}, {quality.rows} rows)"
        )
    print(f"{answer.latency_seconds * 1e3:.1f} ms")
