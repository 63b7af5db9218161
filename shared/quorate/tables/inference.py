"""Guess what each column is for; the guess is shown with its reason, and every part of it can be given instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quorate.errors import InvalidInput, listed, nearest
from quorate.tables.blocks import check_columns
from quorate.tables.cells import is_bytes, is_number, is_string, plain
from quorate.tables.roles import IGNORED, LABEL, WHOLE_VIEWS, ColumnRole, Roles, role_of

PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
PICTURE_SUFFIXES = r"(?i)\.(jpe?g|png)$"
MANY_WORDS = 3.0
"""Words a cell, on average, from which a column of strings is text."""
MANY_DISTINCT = 0.3
"""Share of distinct cells from which a column of strings is text rather than categories."""
MOST_CATEGORIES = 1000
Guess = tuple[str, str]


def infer_roles(
    table: pa.Table,
    label: str,
    text: str | None = None,
    image: str | None = None,
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> Roles:
    """Give every column of the table a role: as asked where it is named, by its cells where not.

    An empty `label` is for a table without one. InvalidInput for a column that is not there, or named for two roles.
    """
    check_columns(table.column_names, "the table")
    lists = {"numeric": numeric, "categorical": categorical, IGNORED: ignore}
    asked: dict[str, Sequence[str | None]] = {LABEL: [label], "text": [text], "image": [image], **lists}
    given = _given({role: [name for name in names if name] for role, names in asked.items()}, table.column_names)
    guesses = {name: _guess(plain(table[name])) for name in table.column_names if name not in given}
    guesses |= {name: (role, "as given") for name, role in given.items()}
    for view in WHOLE_VIEWS:
        _keep_one(view, guesses, given, table)
    roles = Roles(tuple(role_of(name, *guesses[name]) for name in table.column_names))
    _refuse_clashes(roles)
    return roles


def unknown_column(name: str, there: Sequence[str]) -> InvalidInput:
    """The error for a column that is not in the table, with the nearest name that is."""
    has = listed(map(repr, there), 20)
    return InvalidInput(f"there is no column {name!r}{nearest(name, there)}; the table has {has}")


def _given(asked: Mapping[str, Sequence[str]], there: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for role, names in asked.items():
        for name in names:
            if name not in there:
                raise unknown_column(name, there)
            if given.setdefault(name, role) != role:
                raise InvalidInput(f"the column {name!r} is named as {given[name]} and as {role}; choose one")
    return given


def _guess(column: pa.Array) -> Guess:
    known = column.drop_null()
    if is_string(known.type):
        known = known.filter(pc.not_equal(known, ""))
    if not len(known):
        return IGNORED, "every cell is missing"
    if is_bytes(known.type):
        return _guess_bytes(known)
    if is_string(known.type):
        return _guess_strings(known, len(column))
    if is_number(known.type):
        return _guess_numbers(known, len(column))
    if pa.types.is_boolean(known.type):
        return _constant(known, len(column)) or ("categorical", "true or false")
    return IGNORED, f"cells of type {column.type} are not read"


def _guess_bytes(known: pa.Array) -> Guess:
    if known[0].as_py().startswith(PICTURES):
        return "image", "bytes of JPEG or PNG"
    return IGNORED, "bytes that are no JPEG or PNG"


def _guess_strings(known: pa.Array, rows: int) -> Guess:
    distinct = pc.count_distinct(known).as_py()
    if are_picture_paths(known):
        return "image", "paths of pictures"
    if constant := _constant(known, rows):
        return constant
    words = pc.mean(pc.add(pc.count_substring_regex(known, r"\s\S"), 1)).as_py()
    if words >= MANY_WORDS and distinct >= min(MOST_CATEGORIES, MANY_DISTINCT * len(known)):
        return "text", f"{distinct} different texts, {words:.0f} words each on average"
    if distinct == len(known) > 2 and not pc.any(pc.match_substring(known, " ")).as_py():
        return IGNORED, "an id: every cell is different"
    if distinct > min(MOST_CATEGORIES, max(10, len(known) // 2)):
        return IGNORED, f"too many categories: {distinct} in {len(known)} cells"
    return "categorical", f"{distinct} categories"


def are_picture_paths(known: pa.Array) -> bool:
    """Whether these strings, none of them null, are paths of pictures, nearly all of them."""
    return (
        len(known) > 0 and pc.mean(pc.match_substring_regex(known, PICTURE_SUFFIXES).cast(pa.float64())).as_py() > 0.9
    )


def _guess_numbers(known: pa.Array, rows: int) -> Guess:
    if constant := _constant(known, rows):
        return constant
    if pa.types.is_integer(known.type) and len(known) == rows > 2:
        steps = np.diff(known.to_numpy(zero_copy_only=False).astype(np.float64))
        if (steps > 0).all() or (steps < 0).all():
            return IGNORED, "an id: whole numbers that only rise" if steps[
                0
            ] > 0 else "an id: whole numbers that only fall"
    return "numeric", f"{known.type} numbers"


def _constant(known: pa.Array, rows: int) -> Guess | None:
    """A single value in every row tells nothing; missing cells beside it do."""
    if len(known) == rows and pc.count_distinct(known).as_py() == 1:
        return IGNORED, f"constant: {str(known[0].as_py())[:40]!r} in every row"
    return None


def _keep_one(view: str, guesses: dict[str, Guess], given: Mapping[str, str], table: pa.Table) -> None:
    """An ensemble has one text and one picture an item: the one given, else the one with the longest cells."""
    candidates = [name for name, (role, _) in guesses.items() if role == view]
    if len(candidates) < 2:
        return
    chosen = [name for name in candidates if name in given] or [max(candidates, key=lambda name: _length(table[name]))]
    for name in set(candidates) - set(chosen):
        guesses[name] = (IGNORED, f"a second {view} beside {chosen[0]!r}; name it to choose it")


def _length(column: pa.ChunkedArray) -> float:
    return float(pc.mean(pc.binary_length(plain(column))).as_py() or 0)


def _refuse_clashes(roles: Roles) -> None:
    """A table's column may not take the wire name of another column's view."""
    names: dict[str, ColumnRole] = {}
    for entry in roles.used:
        other = names.setdefault(entry.name, entry)
        if other is not entry:
            column = other.column if other.role not in WHOLE_VIEWS else entry.column
            raise InvalidInput(
                f"the column {column!r} has the name that the {entry.name} view sends; rename or ignore it"
            )
