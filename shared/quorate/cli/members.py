"""`quorate members`: those that are registered, and your own, from an ONNX file or on a server that runs already."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quorate.cli.options import Home, Json, names_of, registry, settings_of
from quorate.cli.output import print_json, print_table
from quorate.errors import InvalidInput, TryAgain, Unavailable

if TYPE_CHECKING:
    from quorate.cli.foreign import Given, Metadata
    from quorate.db.registry import RegisteredMember
    from quorate.ensemble import Member

app = typer.Typer(help="List members, and add your own.")
METADATA_SECONDS = 10.0


class OutputKind(StrEnum):
    """What stands in a member's output."""

    PROBABILITIES = "probabilities"
    LOGITS = "logits"
    LABEL = "label"
    INDEX = "index"
    VALUE = "value"


class TaskName(StrEnum):
    """What a member decides."""

    CLASSIFICATION = "classification"
    MULTILABEL = "multilabel"
    REGRESSION = "regression"


@app.callback(invoke_without_command=True)
def members(context: typer.Context, home: Home = None, as_json: Json = False) -> None:
    if context.invoked_subcommand is None:
        list_members(home, as_json)


@app.command("list")
def list_members(home: Home = None, as_json: Json = False) -> None:
    """List every version of every member, and where it answers."""
    with registry(home) as store:
        endpoints = store.endpoints()
        found = [_summary(entry, endpoints.get(entry.member.name, ())) for entry in store.members()]
    if as_json:
        print_json(found)
        return
    keys = ("name", "version", "views", "task", "source", "addresses")
    print_table(keys, [[entry[key] for key in keys] for entry in found])


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the member is to be called.")],
    onnx: Annotated[Path | None, typer.Option("--onnx", metavar="FILE", help="An ONNX file.")] = None,
    endpoint: Annotated[str | None, typer.Option("--endpoint", metavar="HOST:PORT", help="An OIP server.")] = None,
    model: Annotated[str, typer.Option("--model", help="The model's name on that server [default: NAME].")] = "",
    model_version: Annotated[str, typer.Option("--model-version", help="Its version there [default: any].")] = "",
    view: Annotated[str, typer.Option("--view", help="What it looks at: text, image or tabular.")] = "tabular",
    labels: Annotated[str, typer.Option("--labels", metavar="A,B,C", help="The classes, in the model's order.")] = "",
    task: Annotated[TaskName | None, typer.Option("--task", help="What it decides [default: classification].")] = None,
    columns: Annotated[str, typer.Option("--columns", metavar="A,B,C", help="The table's columns, in order.")] = "",
    tensor: Annotated[
        str, typer.Option("--input", metavar="TENSOR:TYPE", help="An input the server is silent on.")
    ] = "",
    output: Annotated[str, typer.Option("--output", metavar="TENSOR", help="The output that is meant.")] = "",
    output_kind: Annotated[OutputKind | None, typer.Option("--output-kind", help="What stands in it.")] = None,
    tokenizer: Annotated[Path | None, typer.Option("--tokenizer", help="tokenizer.json of a text model.")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Register a member: an ONNX file that a worker of ours will serve, or a model on an OIP server."""
    if (onnx is None) == (endpoint is None):
        raise typer.BadParameter("give either --onnx FILE or --endpoint HOST:PORT", param_hint="--onnx / --endpoint")
    chosen = task.value if task else ""
    if onnx is not None:
        details = {
            "columns": names_of(columns),
            "output": output,
            "tokenizer": _bytes(tokenizer) if tokenizer else None,
        }
        summary = _add_onnx(home, name, onnx, view, names_of(labels), chosen, details)
    else:
        from quorate.cli.foreign import Given
        from quorate.ensemble import Task

        kind = output_kind.value if output_kind else ""
        given = Given(
            name=name,
            view=view,
            model=model or name,
            model_version=model_version,
            task=Task(chosen) if chosen else None,
            labels=names_of(labels),
            columns=names_of(columns),
            input=tensor,
            output=output,
            output_kind=kind,
        )
        summary = _add_endpoint(home, str(endpoint), given)
    print_json(summary) if as_json else print(_sentence(summary))


def _add_onnx(
    home: Path | None, name: str, file: Path, view: str, labels: tuple[str, ...], task: str, details: dict[str, Any]
) -> dict[str, Any]:
    from quorate.artifacts import ArtifactStore
    from quorate.ensemble import Task
    from quorate.manifest import member_of
    from quorate.serving.onnx_import import import_onnx

    model = _bytes(file)
    with registry(home) as store:
        version = store.next_member_version(name)
        meant = Task(task) if task else Task.CLASSIFICATION
        artifact = import_onnx(model, name=name, version=version, view=view, labels=labels, task=meant, **details)
        stored = ArtifactStore(settings_of(home).resolved_store_url).put(artifact)
        member = store.add_member(
            member_of(artifact.manifest), source="artifact", artifact_url=stored.url, artifact_digest=stored.digest
        )
    return _member_summary(member, "artifact", ())


def _add_endpoint(home: Path | None, endpoint: str, given: Given) -> dict[str, Any]:
    from quorate.cli.foreign import foreign_member

    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdigit():
        raise InvalidInput(f"the endpoint is {endpoint!r}; give HOST:PORT of the server's gRPC port")
    described = foreign_member(given, asyncio.run(_metadata(endpoint, given)))
    with registry(home) as store:
        member = store.add_member(described, source="endpoint")
        if endpoint not in store.endpoints().get(member.name, ()):
            store.add_endpoint(member.name, endpoint, "user")
        return _member_summary(member, "endpoint", store.endpoints().get(member.name, ()))


async def _metadata(endpoint: str, given: Given) -> Metadata:
    """Ask the server what its model takes and gives."""
    import grpc

    from quorate.cli.foreign import Metadata, Tensor
    from quorate.oip import MemberClient

    async with grpc.aio.insecure_channel(endpoint) as channel:
        try:
            said = await MemberClient(channel).metadata(given.model, given.model_version, METADATA_SECONDS)
        except TryAgain as error:
            raise Unavailable(f"the server at {endpoint} does not describe {given.model!r}: {error}") from error
    inputs = tuple(Tensor(each.name, each.datatype, tuple(each.shape)) for each in said.inputs)
    outputs = tuple(Tensor(each.name, each.datatype, tuple(each.shape)) for each in said.outputs)
    return Metadata(inputs, outputs, dict(said.properties))


def _bytes(file: Path) -> bytes:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}") from error
    if not data:
        raise InvalidInput(f"{file} is empty; export the model anew")
    return data


def _summary(entry: RegisteredMember, addresses: tuple[str, ...]) -> dict[str, Any]:
    return {**_member_summary(entry.member, entry.source, addresses), "metrics": dict(entry.metrics)}


def _member_summary(member: Member, source: str, addresses: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": member.name,
        "version": member.version,
        "views": list(member.views),
        "task": member.task.value,
        "labels": list(member.labels),
        "columns": list(member.columns),
        "source": source,
        "addresses": list(addresses),
    }


def _sentence(summary: dict[str, Any]) -> str:
    where = f" at {', '.join(summary['addresses'])}" if summary["addresses"] else ""
    return f"{summary['name']} version {summary['version']}{where}: reads {', '.join(summary['columns'])}"
