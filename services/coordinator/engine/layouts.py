"""Where each member's tensors lie in requests of one header, for those that can be passed on as raw bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from quorate.ensemble import InputBinding, Member
from quorate.tensors import NUMPY_TYPES
from services.coordinator.engine.fanout import Ask
from services.coordinator.engine.inputs import PRESENT
from services.coordinator.engine.raw import MemberTensors, RawBatch, RawColumns, TensorSpec, member_tensors


@dataclass(frozen=True, slots=True)
class Slots:
    """A member's tensors, and their positions in the request."""

    tensors: MemberTensors
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """What was worked out of a header that has passed every check: only contents are left to be looked at."""

    rows: int
    sizes: tuple[int, ...]
    """Bytes that each tensor must have; -1 for BYTES."""
    floats: tuple[tuple[np.dtype[np.floating], tuple[int, ...]], ...]
    """Positions of the tensors that could hold an infinity, by datatype."""
    asks: tuple[Ask, ...]
    """One a member; those without slots are not asked."""
    slots: tuple[Slots | None, ...]

    def fits(self, raws: Sequence[bytes]) -> bool:
        """Whether the contents are what the header says, all numbers finite or missing."""
        for size, raw in zip(self.sizes, raws, strict=True):
            if size != len(raw) and (size >= 0 or not _holds_elements(raw, self.rows)):
                return False
        return not any(
            np.isinf(np.frombuffer(b"".join([raws[position] for position in positions]), dtype)).any()
            for dtype, positions in self.floats
        )

    def asks_for(self, raws: Sequence[bytes]) -> list[Ask]:
        """Return what to put to each member."""
        asks = []
        for ask, slots in zip(self.asks, self.slots, strict=True):
            if slots is None:
                asks.append(Ask(ask.inputs, missing=ask.missing))
            else:
                mine = [raws[position] for position in slots.positions]
                asks.append(Ask(ask.inputs, RawBatch(slots.tensors, mine, self.rows, sum(map(len, mine)))))
        return asks


def layout_of(request: RawColumns, rows: int, asks: Sequence[Ask]) -> Layout | None:
    """Return the layout of requests like this one, which has been checked; None where some member needs other bytes.

    `asks` are this request's own; each of them must be for all rows or none. Presence that is said row by row may
    differ in the next request, so that such headers have no layout.
    """
    if any(name.endswith(PRESENT) for name, _, _ in request.header):
        return None
    positions = {name: position for position, (name, _, _) in enumerate(request.header)}
    slots: list[Slots | None] = []
    for ask in asks:
        found = None if ask.batch is None else _slots(ask.inputs.member, request.header, positions)
        if ask.rows is not None or (ask.batch is not None and found is None):
            return None
        slots.append(found)
    plain = tuple(Ask(ask.inputs, missing=ask.missing) for ask in asks)
    return Layout(rows, tuple(_size(spec) for spec in request.header), _floats(request.header), plain, tuple(slots))


def _slots(member: Member, header: Sequence[TensorSpec], positions: Mapping[str, int]) -> Slots | None:
    specs: list[TensorSpec] = []
    found: list[int] = []
    for binding in member.inputs:
        position = positions.get(binding.columns[0])
        if position is None or not _passes(binding, header[position]):
            return None
        _, datatype, shape = header[position]
        specs.append((binding.tensor, datatype, shape[1:]))
        found.append(position)
    return Slots(member_tensors(member, tuple(specs)), tuple(found))


def _passes(binding: InputBinding, spec: TensorSpec) -> bool:
    """Whether the member reads the tensor as it came; a picture may come as pixels where a file is expected."""
    _, datatype, shape = spec
    is_picture = binding.datatype == "BYTES" and datatype == "UINT8" and len(shape) >= 3
    return binding.layout == "column" and (datatype == binding.datatype or is_picture)


def _size(spec: TensorSpec) -> int:
    _, datatype, shape = spec
    return -1 if datatype == "BYTES" else prod(shape) * NUMPY_TYPES[datatype].itemsize


def _floats(header: Sequence[TensorSpec]) -> tuple[tuple[np.dtype[np.floating], tuple[int, ...]], ...]:
    by_type: dict[str, list[int]] = {}
    for position, (_, datatype, _) in enumerate(header):
        if datatype.startswith("FP"):
            by_type.setdefault(datatype, []).append(position)
    return tuple((NUMPY_TYPES[datatype], tuple(positions)) for datatype, positions in by_type.items())


def _holds_elements(raw: bytes, rows: int) -> bool:
    """Whether the bytes are exactly this many length-prefixed elements; BYTES tensors are [N] by then."""
    offset = 0
    for _ in range(rows):
        offset += 4 + int.from_bytes(raw[offset : offset + 4], "little")
    return offset == len(raw)
