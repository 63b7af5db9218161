"""Fits from the gateway's side: checked before they are kept, and followed to their end."""

from __future__ import annotations

import json
from pathlib import Path

import grpc
import pytest

from quorate.db import FitStore
from quorate.rpc.quorate.v1 import registry_pb2 as pb
from quorate.rpc.quorate.v1.jobs_pb2 import DownloadRequest
from tests.integration.queue.conftest import Platform
from tests.support.jobs import table, written

pytestmark = pytest.mark.asyncio(loop_scope="session")


def order(url: str, **fields: str) -> pb.StartFitRequest:
    given = {"kind": "table", "name": "birds", "options_json": json.dumps({"label": "colour"}), **fields}
    return pb.StartFitRequest(dataset_url=url, **given)


async def test_a_fit_is_followed_through_its_steps_to_its_result(platform: Platform) -> None:
    stubs, fits = platform.stubs, FitStore(platform.house.database)
    started = await stubs.fits.Start(order(written(platform.house, table(10), "birds.parquet")))
    assert (started.kind, started.name, started.state) == ("table", "birds", "queued")
    seen: list[tuple[str, str]] = []
    folder = platform.house.home / "store" / "fits" / started.fit_id
    result = {"ensemble": "birds", "test_rows_url": (folder / "t.parquet").as_uri()}
    async for fit in stubs.fits.Watch(pb.FitRef(fit_id=started.fit_id), timeout=30):
        seen.append((fit.state, fit.step))
        if fit.state == "queued":
            claimed = fits.claim(30)
            assert claimed is not None
            assert claimed.options == {"label": "colour"}
            fits.heartbeat(claimed.id, claimed.token, "reading", 0.5, 30)
        elif fit.state == "running":
            assert claimed is not None
            fits.finish(claimed.id, claimed.token, result)
    assert seen == [("queued", ""), ("running", "reading"), ("done", "reading")]
    assert json.loads((await stubs.fits.Get(pb.FitRef(fit_id=started.fit_id))).result_json) == result
    await _gives_out_only_what_the_result_names(platform, folder)


async def _gives_out_only_what_the_result_names(platform: Platform, folder: Path) -> None:
    _write_beside(folder, "t.parquet", "model.onnx")
    download = platform.stubs.files.Download(DownloadRequest(url=(folder / "t.parquet").as_uri()))
    assert b"".join([piece.data async for piece in download]) == b"t.parquet"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await platform.stubs.files.Download(DownloadRequest(url=(folder / "model.onnx").as_uri())).read()
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


def _write_beside(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(name.encode())


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"kind": "magic"}, "kind is 'magic'"),
        ({"name": "../etc"}, "starts with a letter or digit"),
        ({"options_json": '{"colour": "red"}'}, "not known"),
        ({"options_json": "{}"}, "which column to predict"),
        ({"options_json": "["}, "JSON"),
        ({"kind": "ensemble", "name": "nobody"}, "no ensemble"),
    ],
)
async def test_a_fit_that_cannot_be_done_is_refused_by_name(
    platform: Platform, fields: dict[str, str], told: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match=told):
        await platform.stubs.fits.Start(order(written(platform.house, table(10), "birds.parquet"), **fields))


async def test_a_fit_needs_a_table_that_is_there(platform: Platform) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="there is no file") as raised:
        await platform.stubs.fits.Start(order((platform.house.home / "none.csv").as_uri()))
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
