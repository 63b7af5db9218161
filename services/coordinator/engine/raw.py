"""Tensors that stay the bytes they came as. Raw batches of one shape join by joining bytes, BYTES and numbers alike.

Most clients send the same tensors with every request, and most members read them as they are: then nothing needs
to be decoded on the way, and what a request costs does not grow with the number of its columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from quorate.ensemble import Columns, Member
from quorate.rpc.inference import grpc_service_pb2 as pb
from quorate.tensors import from_raw

TensorSpec = tuple[str, str, tuple[int, ...]]
"""Name, datatype and shape; inside `MemberTensors` the shape past the first axis."""
_TEMPLATE_ROWS = 64


@dataclass(frozen=True, slots=True)
class RawColumns:
    """A request's tensors as they came: what they are, and each one's raw bytes."""

    header: tuple[TensorSpec, ...]
    raws: Sequence[bytes]

    def decoded(self) -> Columns:
        """Return the columns as arrays; InvalidInput where bytes do not fill their shape."""
        return {
            name: from_raw(name, datatype, shape, raw)
            for (name, datatype, shape), raw in zip(self.header, self.raws, strict=True)
        }


@dataclass(eq=False, slots=True)
class MemberTensors:
    """The tensors that a member is asked with; two batches of the very same object can be joined."""

    member: Member
    specs: tuple[TensorSpec, ...]
    _templates: dict[int, pb.ModelInferRequest] = field(default_factory=dict)

    def request(self, raws: Sequence[bytes], rows: int) -> pb.ModelInferRequest:
        """Return the request of this many rows."""
        request = pb.ModelInferRequest()
        request.CopyFrom(self._template(rows))
        request.raw_input_contents.extend(raws)
        return request

    def _template(self, rows: int) -> pb.ModelInferRequest:
        template = self._templates.get(rows)
        if template is None:
            member = self.member
            template = pb.ModelInferRequest(model_name=member.model or member.name, model_version=member.model_version)
            for name, datatype, shape in self.specs:
                template.inputs.add(name=name, datatype=datatype, shape=(rows, *shape))
            template.outputs.add(name=member.output.tensor)
            if rows <= _TEMPLATE_ROWS:
                self._templates[rows] = template
        return template


@dataclass(frozen=True, slots=True)
class RawBatch:
    """Rows for one member as raw bytes, a tensor an entry."""

    tensors: MemberTensors
    raws: Sequence[bytes]
    rows: int
    size: int

    def decoded(self) -> Columns:
        """Return the batch as arrays by the names of the member's columns."""
        columns = [binding.columns[0] for binding in self.tensors.member.inputs]
        return {
            column: from_raw(column, datatype, (self.rows, *shape), raw)
            for column, (_, datatype, shape), raw in zip(columns, self.tensors.specs, self.raws, strict=True)
        }


def join_raw(batches: Sequence[RawBatch]) -> RawBatch:
    """Return one batch of all rows, in order; the batches must be of the same tensors."""
    if len(batches) == 1:
        return batches[0]
    raws = [b"".join(parts) for parts in zip(*(batch.raws for batch in batches), strict=True)]
    rows, size = sum(batch.rows for batch in batches), sum(batch.size for batch in batches)
    return RawBatch(batches[0].tensors, raws, rows, size)


@lru_cache(maxsize=1024)
def member_tensors(member: Member, specs: tuple[TensorSpec, ...]) -> MemberTensors:
    """Return the one object for these tensors of this member, so that batches of them can always be joined."""
    return MemberTensors(member, specs)
