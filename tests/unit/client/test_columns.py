"""Python values as tensors: what is understood, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quorate.client.columns import tensors_of
from quorate.errors import InvalidInput
from quorate.tensors import from_raw


def arrays(**given: Any) -> dict[str, Any]:
    return {each.name: from_raw(each.name, each.datatype, each.shape, each.raw) for each in tensors_of(**given)}


def test_one_item_is_a_batch_of_one() -> None:
    read = arrays(text="miau", image=b"\x89PNG", columns={"weight": 4, "colour": "red"})
    assert read["text"].tolist() == [b"miau"]
    assert read["image"].tolist() == [b"\x89PNG"]
    assert read["weight"].tolist() == [4.0]
    assert read["colour"].tolist() == [b"red"]


def test_a_none_in_a_list_is_a_missing_value() -> None:
    read = arrays(text=["a", None], image=[None, b"x"], columns={"weight": [None, 2.5], "colour": ["red", None]})
    assert read["text"].tolist() == [b"a", b""]
    assert read["image"].tolist() == [b"", b"x"]
    assert np.isnan(read["weight"][0])
    assert read["colour"].tolist() == [b"red", b""]


def test_a_view_that_is_none_is_left_out() -> None:
    assert list(arrays(text="a", image=None, columns={"weight": None})) == ["text"]


def test_a_picture_is_read_from_its_path(tmp_path: Path) -> None:
    path = tmp_path / "tom.jpg"
    path.write_bytes(b"\xff\xd8")
    assert arrays(image=path)["image"].tolist() == arrays(image=str(path))["image"].tolist() == [b"\xff\xd8"]
    with pytest.raises(InvalidInput, match=r"image '/no/tom.jpg' cannot be read"):
        tensors_of(image="/no/tom.jpg")


@pytest.mark.parametrize(
    ("given", "expected"),
    [((8, 8), (1, 8, 8)), ((8, 8, 3), (1, 8, 8, 3)), ((5, 8, 8), (5, 8, 8)), ((5, 8, 8, 3), (5, 8, 8, 3))],
)
def test_pixels_are_one_picture_or_a_batch_by_their_axes(given: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert arrays(image=np.zeros(given, np.uint8))["image"].shape == expected


def test_a_list_of_pixels_is_a_batch() -> None:
    picture = np.ones((8, 8), np.uint8)
    assert arrays(image=[picture, picture])["image"].shape == (2, 8, 8)
    with pytest.raises(InvalidInput, match="different sizes"):
        tensors_of(image=[picture, picture[:4]])


def test_numpy_columns_of_any_number_travel_as_fp64() -> None:
    for dtype in (np.int16, np.float32, np.bool_):
        [tensor] = tensors_of(columns={"n": np.array([0, 1], dtype)})
        assert (tensor.datatype, list(tensor.shape)) == ("FP64", [2])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "nothing to ask about"),
        ({"text": ["a", "b"], "columns": {"n": [1, 2, 3]}}, "text has 2, n has 3"),
        ({"columns": {"n": [1, "b"]}}, "column 'n' holds int, str"),
        ({"columns": {"text": "a"}}, "give it as text="),
        ({"columns": {"n": {"a": 1}}}, "column 'n' holds dict"),
        ({"text": [1]}, "text of row 0 is int"),
        ({"text": "a\udcff"}, r"text of row 0 is no text that UTF-8 can hold: '\\udcff' at position 1"),
        ({"image": 3.5}, "image is float; give a path"),
        ({"image": np.zeros((8, 8))}, "image is float64 of 2 axes; pixels are uint8"),
    ],
)
def test_what_no_tensor_holds_is_refused_by_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        tensors_of(**given)


def test_the_client_brings_no_copy_of_the_inference_protos_and_no_heavy_packages() -> None:
    code = "import sys, quorate.client; print(*sys.modules, sep='\\n')"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "quorate.rpc.quorate.v1.answers_pb2" in modules
    heavy = {"pyarrow", "sqlalchemy", "torch", "onnxruntime", "quorate.oip", "quorate.db", "quorate.serving"}
    assert not [name for name in modules if name in heavy or name.startswith("quorate.rpc.inference")]
