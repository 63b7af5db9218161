"""The view `text`: tokens of a fitted vocabulary, and a clear word on what is no text."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.errors import InvalidInput, InvalidRows, InvalidSpec
from quorate.views import Limits, Preprocessor, fit_preprocessor, load_preprocessor


def cells(*values: object) -> np.ndarray[Any, Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


TEXTS = cells(*[f"the quick brown fox number {index} jumps over the lazy dog".encode() for index in range(50)])
FITTED = fit_preprocessor("text", {"text": TEXTS}, {"vocabulary_size": 400, "max_length": 12})


def loaded(limits: Limits | None = None, **parameters: Any) -> Preprocessor:
    return load_preprocessor("text", parameters, FITTED.assets(), limits)


def tokens(*values: object) -> np.ndarray[Any, Any]:
    return FITTED.transform({"text": cells(*values)})["tokens"]


def test_rows_are_padded_with_zero_to_the_longest() -> None:
    result = tokens(b"fox", b"the quick brown fox")
    assert result.dtype == np.int64
    assert (result[1] > 0).all()
    assert (result[0, 1:] == 0).all()
    assert result[0, 0] > 0


def test_long_rows_are_cut_at_the_maximum() -> None:
    assert tokens(b"fox dog " * 100).shape == (1, 12)


def test_empty_rows_are_all_padding_and_no_rows_are_fine() -> None:
    assert tokens(b"", b"").tolist() == [[0], [0]]
    assert tokens().shape == (0, 1)


def test_case_and_compatible_forms_do_not_matter() -> None:
    assert tokens("ＦＯＸ").tolist() == tokens(b"fox").tolist()


def test_the_same_rows_give_the_same_vocabulary() -> None:
    again = fit_preprocessor("text", {"text": TEXTS}, {"vocabulary_size": 400, "max_length": 12})
    assert again.assets() == FITTED.assets()


def test_what_was_fitted_survives_json_and_assets() -> None:
    again = load_preprocessor("text", json.loads(json.dumps(FITTED.parameters())), FITTED.assets())
    assert np.array_equal(again.transform({"text": TEXTS})["tokens"], FITTED.transform({"text": TEXTS})["tokens"])


@settings(deadline=None)
@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_any_unicode_text_has_tokens_of_the_vocabulary(texts: list[str]) -> None:
    result = tokens(*texts)
    assert result.min() >= 0
    assert result.max() < FITTED.vocabulary_size  # type: ignore[attr-defined]
    for row, text in enumerate(texts):
        alone = tokens(text.encode())[0]
        assert result[row, : len(alone)].tolist() == alone.tolist()
        assert not result[row, len(alone) :].any()


def test_a_fixed_length_a_mask_and_another_padding_are_options_of_the_model() -> None:
    feeds = loaded(length=4, mask=True, pad=7).transform({"text": cells(b"fox", b"a b c d e f g")})
    assert feeds["tokens"].shape == (2, 4)
    assert feeds["mask"].tolist() == [[1, 0, 0, 0], [1, 1, 1, 1]]
    assert feeds["tokens"][0, 1:].tolist() == [7, 7, 7]


def test_rows_that_cannot_be_read_are_all_named() -> None:
    with pytest.raises(InvalidRows) as raised:
        loaded(Limits(max_text_bytes=5)).transform({"text": cells(b"ok", b"\xff", "\ud800", b"123456", "ééé", 7)})
    assert list(raised.value.reasons) == [1, 2, 3, 4, 5]
    assert "6 bytes of text; at most 5" in raised.value.reasons[3]
    assert "6 bytes of text" in raised.value.reasons[4]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, "'text' is missing"),
        ({"text": np.ones(2)}, "holds float64"),
        ({"text": TEXTS.reshape(5, 10)}, r"shape \[5, 10\]"),
    ],
)
def test_a_column_of_the_wrong_kind_is_refused(columns: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidInput, match=expected):
        FITTED.transform(columns)


def test_a_vocabulary_needs_words() -> None:
    with pytest.raises(InvalidInput, match="empty in every row"):
        fit_preprocessor("text", {"text": cells(b"", b" ")})


@pytest.mark.parametrize("data", [b"{}", b"\xff", b"", b"[1]"])
def test_a_file_that_is_no_tokenizer_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidSpec, match=r"tokenizer\.json is no file"):
        load_preprocessor("text", {}, {"tokenizer.json": data})


def test_a_missing_tokenizer_and_unknown_parameters_are_named() -> None:
    with pytest.raises(InvalidSpec, match=r"needs the asset tokenizer\.json"):
        load_preprocessor("text", {})
    with pytest.raises(InvalidSpec, match="surprise"):
        loaded(surprise=1)
