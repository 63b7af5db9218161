"""How errors are worded: short, whatever they are about."""

from __future__ import annotations

import pytest

from quorate.errors import InvalidRows, listed, nearest, not_utf8


def test_rows_with_one_reason_are_named_together() -> None:
    assert str(InvalidRows({4: "empty", 1: "empty", 2: "broken"})) == "rows 1, 4: empty; row 2: broken"


def test_many_rows_and_reasons_are_counted() -> None:
    assert str(InvalidRows(dict.fromkeys(range(9), "empty"))) == "rows 0, 1, 2 and 6 more: empty"
    assert str(InvalidRows({row: f"reason {row}" for row in range(5)})).endswith("row 2: reason 2 (and 2 rows more)")


def test_a_long_list_is_cut_and_an_empty_one_is_said() -> None:
    assert listed(range(3), 2) == "0, 1 and 1 more"
    assert listed(range(2), 2) == "0, 1"
    assert listed([]) == "none"


@pytest.mark.parametrize(("name", "said"), [("colour", " (did you mean 'color'?)"), ("weight", "")])
def test_the_nearest_name_is_asked_for(name: str, said: str) -> None:
    assert nearest(name, ["color", "age"]) == said


def test_text_that_is_no_utf8_is_told_by_its_byte() -> None:
    with pytest.raises(UnicodeDecodeError) as read:
        b"a\xff".decode()
    assert "byte 0xff at position 1" in not_utf8(read.value)
    with pytest.raises(UnicodeEncodeError) as written:
        "a\udcff".encode()
    assert "'\\udcff' at position 1" in not_utf8(written.value)
