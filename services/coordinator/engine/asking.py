"""From a request's columns to what is put to each member, every check made once a header where that is possible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from quorate.ensemble import Columns
from quorate.errors import InvalidRows
from services.coordinator.engine.fanout import Ask, ask_of
from services.coordinator.engine.items import Items, read_items
from services.coordinator.engine.layouts import layout_of
from services.coordinator.engine.plans import Plan
from services.coordinator.engine.raw import RawColumns

MAX_LAYOUTS = 256
"""Headers remembered an ensemble version; a client that never repeats itself costs no more memory than this."""


def asks_for(plan: Plan, columns: Columns | RawColumns, max_rows: int) -> tuple[list[Ask], int]:
    """Return one ask a member, and the number of rows; raise what `read_items` does for a request that does not fit.

    Raw columns whose header was seen before are passed on as they are when their contents are in order.
    """
    if not isinstance(columns, RawColumns):
        return _checked(plan, columns, max_rows)
    layout = plan.layouts.get(columns.header)
    if layout is not None and layout.fits(columns.raws):
        return layout.asks_for(columns.raws), layout.rows
    asks, rows = _checked(plan, columns.decoded(), max_rows)
    if columns.header not in plan.layouts:
        if len(plan.layouts) >= MAX_LAYOUTS:
            plan.layouts.clear()
        plan.layouts[columns.header] = layout_of(columns, rows, asks)
    return asks, rows


def _checked(plan: Plan, columns: Columns, max_rows: int) -> tuple[list[Ask], int]:
    items = read_items(plan.ensemble.name, plan.views, plan.tensors, columns, max_rows)
    asks = [ask_of(inputs, items, plan.views) for inputs in plan.inputs]
    _check_reachable(plan, asks, items)
    return asks, items.rows


def _check_reachable(plan: Plan, asks: Sequence[Ask], items: Items) -> None:
    """Refuse rows whose views are too few for the quorum even if every member that has one answers."""
    if items.present is None and all(ask.batch is not None for ask in asks):
        return
    asked = np.zeros((len(asks), items.rows), dtype=bool)
    for index, ask in enumerate(asks):
        if ask.batch is not None:
            asked[index] = True if ask.rows is None else ask.rows
    if lacking := plan.quorum.lacking_rows(asked):
        missing = "; ".join(f"{ask.inputs.member.name}: {ask.missing}" for ask in asks if ask.missing)
        told = f" ({missing})" if missing else ""
        raise InvalidRows({row: f"the views that are there cannot decide: {why}{told}" for row, why in lacking.items()})
