"""Bad input by every way in: its own error and status, and every process of the platform serves on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from quorate.demo.platform import state_of
from quorate.errors import InvalidInput, InvalidRows, NotFound, QuorateError, TamperedArtifact, TooLarge
from quorate.fitting.options import FitOptions
from quorate.oip.messages import infer_request
from quorate.rpc.inference import grpc_service_pb2 as pb
from quorate.rpc.inference import grpc_service_pb2_grpc as rpc
from services.tuner.dataset import load_dataset
from tests.support.digits import MEMBERS, NAME, ServedDigits
from tests.support.hostile import bomb, png
from tests.support.onnx_models import onnx_model

UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
INVALID, MISSING = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
FULL = grpc.StatusCode.RESOURCE_EXHAUSTED
LARGE = b"a" * (65 << 20)
Tensors = dict[str, NDArray[Any]]


@pytest.fixture(scope="module", autouse=True)
def _every_process_lives_on(digits: ServedDigits) -> Iterator[None]:
    """No process of the platform ends, or is started anew, while the tests below are at it."""
    before = {process.name: process.pid for process in state_of(digits.home).processes}
    yield
    assert {process.name: process.pid for process in state_of(digits.home).processes} == before


def assert_answers(digits: ServedDigits) -> None:
    assert digits.client.predict(NAME, text="a stroke to the left").answered == ("digits-text",)


def cells(*values: bytes) -> NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def status(address: str, request: pb.ModelInferRequest) -> tuple[grpc.StatusCode, str]:
    """Return the status and message that a server refuses the request with."""
    with grpc.insecure_channel(address, options=UNLIMITED) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            rpc.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=30)
        return refused.value.code(), refused.value.details()


def request(tensors: Tensors, model: str = NAME, version: str = "", outputs: tuple[str, ...] = ()) -> Any:
    datatypes = {"f": "FP64", "O": "BYTES", "u": "UINT8", "b": "BOOL"}
    columns = [(name, datatypes[array.dtype.kind], array) for name, array in tensors.items()]
    return infer_request(model, version, columns, outputs)


# Every one of these goes to the gateway; those whose tensor a worker reads go to that worker as well.
TENSORS: dict[str, tuple[Tensors, str]] = {
    "unknown column": (
        {"colour": np.zeros(1)},
        "'digits' has no input 'colour'; its inputs are image, text, row_1_ink, row_2_ink,",
    ),
    "column misspelt": ({"top_left_inc": np.zeros(1)}, "did you mean 'top_left_ink'?"),
    "unknown view": (
        {"text": cells(b"x"), "sound.present": np.ones(1, bool)},
        "'digits' has no view 'sound'; its views are image, tabular, text",
    ),
    "no view at all": ({"text": cells(b"x"), "text.present": np.zeros(1, bool)}, "row 0: no view is there; give"),
    "no tensor": ({}, "the request holds no input of 'digits'; send at least one of image, text,"),
    "text as numbers": ({"text": np.zeros(1)}, "'text' is float64; send BYTES"),
    "number as text": ({"ink": cells(b"x")}, "'ink' is BYTES; send numbers, as FP64"),
    "picture as floats": ({"image": np.zeros((1, 8, 8))}, "'image' is float64; send BYTES [N] (JPEG or PNG files)"),
    "text of two axes": ({"text": np.array([[b"a", b"b"]], object)}, "'text' has shape [1, 2]; send one value a row"),
    "pixels of one axis": ({"image": np.zeros(64, np.uint8)}, "'image' as UINT8 is [N,H,W] or [N,H,W,C]; got [64]"),
    "seven channels": ({"image": np.zeros((1, 8, 8, 7), np.uint8)}, "shape [1, 8, 8, 7]; send UINT8 [N,H,W] or"),
    "rows disagree": ({"text": cells(b"a", b"b"), "ink": np.zeros(3)}, "must agree; got text [2], ink [3]"),
    "no rows": ({"ink": np.zeros(0)}, "the request holds 0 rows; send at least 1"),
    "infinite": ({"ink": np.array([1, np.inf])}, "row 1: column 'ink' is infinite; send a finite number, or NaN"),
    "no picture": ({"image": cells(png(), b"I am text")}, "row 1: column 'image': no JPEG or PNG: it starts with"),
    "cut picture": ({"image": cells(png()[:-30])}, "row 0: column 'image': broken or truncated picture"),
    "large picture": (
        {"image": cells(bomb(5000, 5000))},
        "5000x5000 pixels; at most 16000000 are decoded, so scale it",
    ),
    "bomb": (
        {"image": cells(bomb(60_000, 60_000))},
        "far more than the 16000000 pixels that are decoded; scale it down",
    ),
    "no UTF-8": ({"text": cells(b"ok", b"a\xff")}, "row 1: column 'text' is no UTF-8: byte 0xff at position 1"),
    "long text": ({"text": cells(b"a" * (2 << 20))}, "row 0: column 'text': 2097152 bytes of text; at most 1048576"),
}


@pytest.mark.parametrize("case", TENSORS)
def test_the_gateway_refuses_tensors_by_name_and_answers_the_next_request(digits: ServedDigits, case: str) -> None:
    tensors, message = TENSORS[case]
    code, details = status(digits.client.gateway, request(tensors))
    assert code is INVALID
    assert message in details
    assert len(details) < 400
    assert_answers(digits)


@pytest.mark.parametrize("case", ["no picture", "cut picture", "bomb", "no UTF-8", "long text"])
def test_a_worker_refuses_rows_as_the_gateway_does(digits: ServedDigits, case: str) -> None:
    tensors, message = TENSORS[case]
    [name] = tensors
    code, details = status(digits.address(f"worker-digits-{name}"), request(tensors, f"digits-{name}"))
    assert code is INVALID
    assert message in details
    assert_answers(digits)


@pytest.mark.parametrize(
    ("given", "expected", "message"),
    [
        ({"model": "digit"}, MISSING, "no ensemble is called 'digit'; registered are digits"),
        ({"version": "9"}, MISSING, "'digits' has no version '9'; its versions are 1, its aliases live"),
        ({"outputs": ("score",)}, INVALID, "there is no output 'score'; the outputs are probabilities, label"),
        ({"tensors": {"ink": np.zeros(70_000)}}, FULL, "70000 rows, above the limit of 65536; split it"),
        ({"tensors": {"text": cells(LARGE)}}, FULL, "larger than max"),
    ],
    ids=["unknown ensemble", "unknown version", "unknown output", "too many rows", "too large a message"],
)
def test_what_is_not_there_or_too_much_has_a_status_of_its_own(
    digits: ServedDigits, given: dict[str, Any], expected: grpc.StatusCode, message: str
) -> None:
    code, details = status(digits.client.gateway, request(**({"tensors": {"text": cells(b"x")}} | given)))
    assert code is expected
    assert message in details
    assert_answers(digits)


def broken(change: Callable[[Any], Any]) -> pb.ModelInferRequest:
    made: pb.ModelInferRequest = request({"ink": np.zeros(1)})
    change(made)
    return made


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda made: made.inputs[0].MergeFrom(pb.ModelInferRequest.InferInputTensor(datatype="FP99")), "'FP99'; use"),
        (lambda made: made.raw_input_contents.append(b"1"), "2 entries for 1 tensors; send one each, in order"),
        (lambda made: made.inputs[0].shape.__setitem__(0, -1), "shape [-1]; a request's dimensions are 0 or more"),
        (lambda made: made.inputs[0].shape.extend([2**40, 2**40]), "bytes, got 8"),
        (lambda made: made.inputs[0].contents.fp64_contents.append(1.0), "send one or the other"),
        (lambda made: made.parameters["timeout"].MergeFrom(pb.InferParameter(string_param="1")), "microseconds"),
    ],
    ids=["unknown datatype", "raw entries", "negative shape", "vast shape", "raw and typed", "timeout"],
)
def test_what_breaks_the_protocol_is_invalid(digits: ServedDigits, change: Any, message: str) -> None:
    code, details = status(digits.client.gateway, broken(change))
    assert code is INVALID
    assert message in details
    assert_answers(digits)


@pytest.mark.parametrize("member", MEMBERS)
def test_a_worker_names_what_it_serves_and_takes(digits: ServedDigits, member: str) -> None:
    address = digits.address(f"worker-{member}")
    assert status(address, request({"sound": cells(b"x")}, member))[0] is INVALID
    code, details = status(address, request({"sound": cells(b"x")}))
    assert (code, f"this worker serves '{member}'" in details) == (MISSING, True)
    assert status(address, request({"text": cells(LARGE)}, member))[0] is FULL
    assert_answers(digits)


@pytest.mark.parametrize(
    ("given", "expected", "message"),
    [
        ({"ensemble": "digit", "text": "x"}, NotFound, "no ensemble is called 'digit'"),
        ({"columns": {"colour": "red"}}, InvalidInput, "has no input 'colour'"),
        ({"columns": {"ink": "much"}}, InvalidInput, "'ink' is BYTES; send numbers"),
        ({"columns": {"ink": [1.0, float("inf")]}}, InvalidRows, "row 1: column 'ink' is infinite"),
        ({"image": [b"x", b"y", png()]}, InvalidRows, "row 1: column 'image': no JPEG or PNG"),
        ({"text": [b"a\xff", b"a\xff"]}, InvalidRows, "rows 0, 1: column 'text' is no UTF-8"),
        ({"text": "a\udcff"}, InvalidInput, "no text that UTF-8 can hold"),
        ({"text": "a" * (65 << 20)}, TooLarge, "takes 67108864 at most; split it, or score it as a file"),
    ],
    ids=["ensemble", "column", "datatype", "infinite", "no picture", "no UTF-8", "surrogate", "too large"],
)
def test_the_client_raises_an_error_of_its_own_class(
    digits: ServedDigits, given: dict[str, Any], expected: type[QuorateError], message: str
) -> None:
    with pytest.raises(expected) as refused:
        digits.client.predict(**({"ensemble": NAME} | given))
    assert type(refused.value) is expected
    assert message in str(refused.value)
    assert_answers(digits)


def test_a_queued_request_ends_with_the_error_that_an_interactive_one_has(digits: ServedDigits) -> None:
    with pytest.raises(NotFound, match="no ensemble is called 'digit'"):
        digits.client.submit("digit", text="x")
    waiting = {
        digits.client.submit(NAME, columns={"ink": float("inf")}): (InvalidRows, "row 0: column 'ink' is infinite"),
        digits.client.submit(NAME, image=b"x"): (InvalidRows, "no JPEG or PNG"),
        digits.client.submit(NAME, columns={"colour": 1}): (InvalidInput, "has no input 'colour'"),
    }
    for request_id, (expected, message) in waiting.items():
        with pytest.raises(expected, match=message):
            digits.client.await_(request_id, timeout=30)
    assert digits.client.await_(digits.client.submit(NAME, text="x"), timeout=30).answered == ("digits-text",)


# Files of rows: what is wrong in a row costs that row alone.

ROWS = 10
INFINITE = "column 'ink' is infinite; send a finite number, or NaN where it is missing"
NO_NUMBER = "column 'ink' holds 'much' where a number is expected"


def parquet_job(rows: list[dict[str, Any]], schema: pa.Schema, path: Path) -> dict[int, str]:
    rows[1]["scan"] = b"I am text"
    rows[2]["scan"] = bomb(60_000, 60_000)
    rows[3]["ink"] = float("inf")
    rows[4]["ink"] = 1e300
    rows[5] = dict.fromkeys(rows[5])
    rows[6]["transcript"] = rows[6]["scan"] = None
    for row in rows:
        row["transcript"] = row["transcript"] and row["transcript"].encode()
    rows[7]["transcript"] = b"a\xff"
    binary = schema.set(schema.get_field_index("transcript"), pa.field("transcript", pa.binary()))
    pq.write_table(pa.Table.from_pylist(rows, schema=binary), path)
    return {
        1: "column 'image': no JPEG or PNG: it starts with b'I am tex'",
        2: "column 'image': far more than the 16000000 pixels that are decoded; scale it down",
        3: INFINITE,
        4: "column 'ink' is infinite, or too large for the model; send a finite number",
        5: "no view is there; give at least one of image, tabular, text",
        7: "column 'text' is no UTF-8: byte 0xff at position 1; encode it as UTF-8",
    }


def csv_job(rows: list[dict[str, Any]], schema: pa.Schema, path: Path) -> dict[int, str]:
    names = [name for name in schema.names if name != "scan"]
    rows[3]["ink"], rows[4]["ink"], rows[8]["ink"] = "inf", "much", ""
    lines = [",".join(json.dumps(str(row[name])) for name in names).encode() for row in rows]
    lines[1] = b"three,cells,only"
    lines[2] = lines[2].replace(json.dumps(rows[2]["transcript"]).encode(), b'"a\xff"')
    path.write_bytes(b"\n".join([",".join(names).encode(), *lines]))
    return {
        1: f"3 cells where the header has {len(names)}: three,cells,only",
        2: "column 'transcript' is no UTF-8: byte 0xff at position 1; encode it as UTF-8",
        3: INFINITE,
        4: NO_NUMBER,
    }


def jsonl_job(rows: list[dict[str, Any]], schema: pa.Schema, path: Path) -> dict[int, str]:
    for row in rows:
        del row["scan"]
    rows[3]["ink"], rows[4]["ink"], rows[5]["ink"], rows[8]["ink"] = float("inf"), "much", [1], None
    lines = [json.dumps(row).encode() for row in rows]
    lines[1], lines[2], lines[6], lines[7] = b"{broken", b"[1, 2]", b"{}", b'{"transcript": "a\xff"}'
    path.write_bytes(b"\n".join(lines))
    return {
        1: "no JSON row: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        2: "no JSON row: list where an object is expected",
        3: INFINITE,
        4: NO_NUMBER,
        5: "no JSON row: column 'ink' holds a list; give one value",
        6: "no view is there; give at least one of image, tabular, text",
        7: "no JSON row: no UTF-8: byte 0xff at position 17; encode it as UTF-8",
    }


@pytest.mark.parametrize(("name", "write"), [("a.parquet", parquet_job), ("a.csv", csv_job), ("a.jsonl", jsonl_job)])
def test_a_job_rejects_bad_rows_with_number_and_reason_and_scores_the_others(
    digits: ServedDigits, tmp_path: Path, name: str, write: Any
) -> None:
    table = digits.test.slice(0, ROWS).drop_columns(["digit"])
    expected = write(table.to_pylist(), table.schema, tmp_path / name)
    result = digits.client.score(NAME, tmp_path / name, tmp_path / "out", chunk_rows=4)
    rejects = pq.read_table(tmp_path / "out/rejects.parquet").to_pylist()
    assert {reject["row"]: reject["reason"] for reject in rejects} == expected
    scored = [row for part in result.parts for row in pq.read_table(part)["row"].to_pylist()]
    assert sorted(scored) == sorted(set(range(ROWS)) - set(expected))
    assert (result.job.rows, result.job.rows_rejected) == (ROWS, len(expected))
    assert_answers(digits)


def test_a_result_that_was_tampered_with_is_refused_on_its_way_to_the_caller(
    digits: ServedDigits, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("transcript\na stroke\n")
    job = digits.client.score(NAME, tmp_path / "a.csv").job
    [part] = [url for url in job.files if "part-" in url]
    with Path(part.removeprefix("file://")).open("ab") as file:
        file.write(b"!")
    with pytest.raises(TamperedArtifact, match=r"part-\S+ arrived with another sha256 than its manifest states"):
        digits.client.fetch(job, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*part-*"))
    assert_answers(digits)


# Whole files that cannot be used, by the command: one line on standard error, and status 1.


@dataclass(frozen=True)
class Refused:
    """A command's arguments, where FOLDER is where the files are, and what its one line says."""

    arguments: str
    says: str


def write_files(folder: Path) -> None:
    ordinary = {"a": [float(value) for value in range(40)], "label": ["cat", "dog"] * 20}
    pq.write_table(pa.table(ordinary), folder / "ordinary.parquet")
    pq.write_table(pa.table(ordinary | {"a": [*ordinary["a"][:39], float("inf")]}), folder / "infinite.parquet")
    pq.write_table(pa.table(ordinary | {"label": ["cat"] * 40}), folder / "one-class.parquet")
    pq.write_table(pa.table(ordinary | {"scan": [png()] * 38 + [b"x"] * 2}), folder / "no-picture.parquet")
    (folder / "latin.csv").write_bytes(b"a,label\n1,caf\xe9\n2,tea\n3,caf\xe9\n")
    for name in ("empty.csv", "empty.onnx"):
        (folder / name).write_bytes(b"")
    (folder / "header.csv").write_text("transcript,ink\n")
    (folder / "text.parquet").write_text("a,b\n")
    (folder / "text.png").write_text("I am text")
    (folder / "table.xlsx").write_bytes(b"PK")
    softmax = [helper.make_node("Softmax", ["x"], ["p"])]
    shape = ["N", 4]
    (folder / "four.onnx").write_bytes(
        onnx_model(softmax, [("x", TensorProto.FLOAT, shape)], [("p", TensorProto.FLOAT, shape)])
    )
    (folder / "field.yaml").write_text("name: pair\nmembers: [digits-text]\npolcy: {min_members: 1}\n")
    (folder / "stranger.yaml").write_text("name: pair\nmembers: [digits-txt]\n")


MEMBER = "members add four --view tabular --onnx FOLDER/"
COMMANDS = {
    "unknown ensemble": Refused("predict digit --text x", "no ensemble is called 'digit'"),
    "unknown column": Refused("predict digits --set colour=red", "'digits' has no input 'colour'"),
    "no picture": Refused("predict digits --image FOLDER/text.png", "no JPEG or PNG: it starts with b'I am tex'"),
    "no gateway": Refused("predict digits --text x --gateway 127.0.0.1:1", "nobody answers at that address"),
    "empty rows": Refused("score digits FOLDER/empty.csv", "empty.csv is empty: it has no header and no rows"),
    "only a header": Refused("score digits FOLDER/header.csv", "header.csv' holds no rows; give a table with at"),
    "no Parquet": Refused("score digits FOLDER/text.parquet", "text.parquet' is no Parquet file that can be read"),
    "no table": Refused("score digits FOLDER/table.xlsx", "table.xlsx has no known suffix; use one of .csv"),
    "other columns": Refused("score digits FOLDER/ordinary.parquet", "has none of the columns that 'digits' reads"),
    "no label": Refused("fit FOLDER/ordinary.parquet --label lable --out x", "did you mean 'label'?"),
    "empty table": Refused("fit FOLDER/empty.csv --label label --out x", "empty.csv is empty"),
    "no UTF-8": Refused("fit FOLDER/latin.csv --label label --out x", "rows 0, 2: column 'label' is no UTF-8"),
    "unknown option": Refused(
        "fit FOLDER/ordinary.parquet --label label --out x --option depth=3", "option 'depth' is not known"
    ),
    "one class": Refused("fit FOLDER/one-class.parquet --label label --out x", "has one class only, 'cat'; give rows"),
    "empty model": Refused(f"{MEMBER}empty.onnx --labels a,b,c,d", "empty.onnx is empty; export the model anew"),
    "columns": Refused(f"{MEMBER}four.onnx --labels a,b,c,d --columns p,q", "takes 4 columns, and 2 are named"),
    "labels": Refused(f"{MEMBER}four.onnx --labels a,b --columns p,q,r,s", "holds 2 scores a row"),
    "unknown field": Refused("ensembles create FOLDER/field.yaml", "polcy is not a field; known here: name, members"),
    "unknown member": Refused("ensembles create FOLDER/stranger.yaml", "'digits-txt', which is not registered"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("files")
    write_files(made)
    return made


@pytest.mark.parametrize("case", COMMANDS)
def test_the_command_says_what_is_wrong_in_one_line(digits: ServedDigits, folder: Path, case: str) -> None:
    arguments = COMMANDS[case].arguments.replace("FOLDER", str(folder)).split()
    command = [sys.executable, "-m", "quorate.cli", *arguments, "--home", str(digits.home)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    errors = [line for line in ended.stderr.splitlines() if line.strip()]
    assert (ended.returncode, len(errors)) == (1, 1), ended.stderr
    assert errors[0].startswith("error: ")
    assert COMMANDS[case].says in errors[0]
    assert "uploads/" not in errors[0]
    assert_answers(digits)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("infinite.parquet", "row 39: column 'a' is infinite; give a finite number, or leave the cell empty"),
        ("no-picture.parquet", "rows 38, 39: column 'image': no JPEG or PNG: it starts with b'x'"),
    ],
)
def test_every_row_that_no_member_could_read_is_named_before_any_training(
    folder: Path, name: str, message: str
) -> None:
    with pytest.raises(InvalidRows) as refused:
        load_dataset(str(folder / name), FitOptions(label="label"))
    assert str(refused.value) == message


def test_nothing_refused_is_logged_as_a_fault_of_the_platform(digits: ServedDigits) -> None:
    for log in (digits.home / "logs").glob("*.log"):
        assert "Traceback" not in log.read_text(), log.name
