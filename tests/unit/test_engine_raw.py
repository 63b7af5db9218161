"""Tensors passed on as the bytes they came as: the same answers and the same refusals as when they are decoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from quorate.ensemble import Columns, Ensemble, InputBinding, Member, Task
from quorate.errors import InvalidInput, InvalidRows
from quorate.oip.client import member_request
from quorate.oip.messages import infer_request, read_inputs
from quorate.settings import Settings
from quorate.tensors import datatype_of, to_raw
from services.coordinator.engine.asking import MAX_LAYOUTS, asks_for
from services.coordinator.engine.batching import BatchLimits, Coalescer
from services.coordinator.engine.columns import Batch, cut, join, row_count, signature
from services.coordinator.engine.plans import Plan, plan_of
from services.coordinator.engine.raw import RawBatch, RawColumns
from services.coordinator.gateway.requests import MAX_HEADERS, RequestReader
from tests.support.members import LABELS, bytes_cells, image_member, matrix_member, table_member, text_member

MAX_ROWS = Settings().max_rows


@pytest.fixture
async def plan() -> Plan:
    return plan_for(text_member(), image_member(), table_member())


def plan_for(*members: Member) -> Plan:
    async def send(batch: Batch, timeout_seconds: float) -> Any:
        raise AssertionError

    ensemble = Ensemble("pets", 1, Task.CLASSIFICATION, LABELS, members)
    return plan_of(ensemble, tuple(Coalescer(send, BatchLimits(), lambda: 1) for _ in members))


def whole(rows: int = 2, first: int = 0) -> Columns:
    numbers = range(first, first + rows)
    return {
        "text": bytes_cells(*[b"item %d" % number for number in numbers]),
        "image": np.stack([np.full((4, 4), number % 256, np.uint8) for number in numbers]),
        "age": np.array(numbers, dtype=np.float64),
        "colour": bytes_cells(*[b"" if number % 2 else b"red" for number in numbers]),
    }


def raw(columns: Columns) -> RawColumns:
    header = tuple((name, datatype_of(array), array.shape) for name, array in columns.items())
    return RawColumns(header, [to_raw(array) for array in columns.values()])


def warmed(plan: Plan, columns: Columns) -> list[RawBatch | None]:
    """What members are asked once the header is known."""
    asks_for(plan, raw(columns), MAX_ROWS)
    asks, rows = asks_for(plan, raw(columns), MAX_ROWS)
    assert rows == row_count(columns)
    assert all(ask.batch is None or isinstance(ask.batch, RawBatch) for ask in asks)
    return [ask.batch for ask in asks]  # type: ignore[misc]


def test_a_member_is_sent_the_same_request_raw_or_decoded(plan: Plan) -> None:
    columns = whole(3)
    decoded, _ = asks_for(plan, columns, MAX_ROWS)
    for batch, ask in zip(warmed(plan, columns), decoded, strict=True):
        assert batch is not None
        assert isinstance(ask.batch, dict)
        expected = member_request(ask.inputs.member, ask.batch)
        assert batch.tensors.request(batch.raws, batch.rows) == expected
        assert batch.size == sum(map(len, expected.raw_input_contents))


def test_raw_batches_join_to_the_batch_of_all_their_rows(plan: Plan) -> None:
    together = warmed(plan, whole(5))
    for one, two, both in zip(warmed(plan, whole(2)), warmed(plan, whole(3, first=2)), together, strict=True):
        assert one is not None and two is not None and both is not None  # noqa: PT018 - one thing: all are asked
        assert signature(one) == signature(two)
        joined = join([one, two])
        assert isinstance(joined, RawBatch)
        assert (joined.rows, joined.size) == (5, both.size)
        assert joined.tensors.request(joined.raws, 5) == both.tensors.request(both.raws, 5)


def test_a_raw_batch_above_the_limits_is_cut_by_rows(plan: Plan) -> None:
    batch = warmed(plan, whole(5))[2]
    assert batch is not None
    runs = cut(batch, 2, 1 << 20)
    assert [row_count(run) for run in runs] == [2, 2, 1]
    assert runs[2]["age"].tolist() == [4.0]


def test_a_header_is_looked_at_once_and_its_contents_each_time(plan: Plan) -> None:
    warmed(plan, whole(2))
    infinite = {**whole(2), "age": np.array([1.0, np.inf])}
    with pytest.raises(InvalidRows) as refused:
        asks_for(plan, raw(infinite), MAX_ROWS)
    assert list(refused.value.reasons) == [1]
    asks, _ = asks_for(plan, raw({**whole(2), "age": np.array([1.0, np.nan])}), MAX_ROWS)
    assert isinstance(asks[2].batch, RawBatch)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\x01\x00\x00\x00a",
        b"\xff\xff\xff\xff",
        to_raw(bytes_cells(b"a", b"b", b"c")),
        to_raw(bytes_cells(b"a", b"b")) + b"x",
    ],
)
def test_bytes_that_are_not_the_elements_stated_never_reach_a_batch(plan: Plan, broken: bytes) -> None:
    warmed(plan, whole(2))
    request = raw(whole(2))
    with pytest.raises(InvalidInput):
        asks_for(plan, RawColumns(request.header, [broken, *request.raws[1:]]), MAX_ROWS)
    with pytest.raises(InvalidInput):
        asks_for(plan, RawColumns(request.header, [*request.raws[:2], b"1234", request.raws[3]]), MAX_ROWS)


def test_presence_said_row_by_row_is_never_remembered(plan: Plan) -> None:
    for there in (True, False, True):
        columns = {**whole(2), "image.present": np.array([there, there])}
        asks, _ = asks_for(plan, raw(columns), MAX_ROWS)
        assert (asks[1].batch is not None) is there


def test_a_view_that_is_left_out_is_remembered_with_its_reason(plan: Plan) -> None:
    columns = whole(2)
    del columns["image"]
    assert warmed(plan, columns)[1] is None
    asks, _ = asks_for(plan, raw(columns), MAX_ROWS)
    assert asks[1].missing == "image not there in any row"


@pytest.mark.parametrize("change", [{"age": np.array([1, 2])}, {"age": np.array([1, 2], dtype=np.float32)}])
def test_a_column_in_another_datatype_is_decoded_and_cast(plan: Plan, change: Columns) -> None:
    columns = {**whole(2), **change}
    for _ in range(2):
        asks, _rows = asks_for(plan, raw(columns), MAX_ROWS)
        assert isinstance(asks[2].batch, dict)


async def test_a_foreign_members_matrix_is_stacked_from_decoded_columns() -> None:
    plan = plan_for(matrix_member())
    columns = {"age": np.ones(2), "weight": np.ones(2)}
    for _ in range(2):
        asks, _ = asks_for(plan, raw(columns), MAX_ROWS)
        assert isinstance(asks[0].batch, dict)


def test_what_is_remembered_is_bounded(plan: Plan) -> None:
    for rows in range(1, MAX_LAYOUTS + 20):
        asks_for(plan, raw({"text": bytes_cells(*[b"x"] * rows)}), MAX_ROWS)
    assert len(plan.layouts) <= MAX_LAYOUTS


def requests(count: int) -> Iterator[Any]:
    for number in range(count):
        yield infer_request("pets", "", [("text", "BYTES", bytes_cells(b"x"))], (f"members.{number}",), id=str(number))


def test_the_reader_reads_a_repeated_header_once_and_takes_each_requests_own_contents() -> None:
    reader = RequestReader()
    for number in range(3):
        columns = whole(2, first=number)
        tensors = [(name, datatype_of(array), array) for name, array in columns.items()]
        message = infer_request("pets", "1", tensors, ("label",), id=str(number))
        message.parameters["timeout"].int64_param = 5000
        expected = read_inputs(message)
        asked = reader.read(message)
        assert isinstance(asked.columns, RawColumns)
        assert asked.outputs == ("label",)
        assert asked.timeout_microseconds == 5000
        decoded = asked.columns.decoded()
        assert all((decoded[name] == array).all() for name, array in expected.items())


def test_the_reader_refuses_what_breaks_the_protocol_also_when_the_header_is_known() -> None:
    reader = RequestReader()
    good = infer_request("pets", "", [("a", "FP32", np.ones(1, np.float32)), ("b", "FP32", np.ones(1, np.float32))])
    for message in (good, good):
        reader.read(type(good).FromString(message.SerializeToString()))
    short = type(good).FromString(good.SerializeToString())
    short.raw_input_contents.append(b"")
    with pytest.raises(InvalidInput, match="entries for 2 tensors"):
        reader.read(short)
    twice = infer_request("pets", "", [("a", "FP32", np.ones(1, np.float32))] * 2)
    with pytest.raises(InvalidInput, match="given twice"):
        reader.read(twice)
    late = infer_request("pets", "", [("a", "FP32", np.ones(1, np.float32))])
    late.parameters["timeout"].string_param = "soon"
    with pytest.raises(InvalidInput, match="microseconds"):
        reader.read(late)


def test_the_reader_remembers_a_bounded_number_of_headers() -> None:
    reader = RequestReader()
    for message in requests(MAX_HEADERS + 10):
        reader.read(message)
    assert len(reader._headers) <= MAX_HEADERS


async def test_a_binding_under_another_tensor_name_keeps_that_name() -> None:
    renamed = Member(
        "m", 1, ("text",), Task.CLASSIFICATION, LABELS, (InputBinding("words", "BYTES", ("text",)),), model="x"
    )
    plan = plan_for(renamed)
    batch = warmed(plan, {"text": bytes_cells(b"a", b"b")})[0]
    assert batch is not None
    request = batch.tensors.request(batch.raws, 2)
    assert (request.model_name, request.inputs[0].name) == ("x", "words")
    assert batch.decoded()["text"].tolist() == [b"a", b"b"]
