"""One member asked over any OIP server: columns in, probabilities or values out."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

import grpc
import numpy as np
from numpy.typing import NDArray

from quorate.ensemble import Columns, FloatArray, InputBinding, Member
from quorate.errors import InvalidInput, listed
from quorate.oip.messages import infer_request, read_outputs
from quorate.oip.outputs import member_output
from quorate.rpc.inference import grpc_service_pb2 as pb
from quorate.rpc.inference import grpc_service_pb2_grpc as rpc
from quorate.statuses import error_from_rpc
from quorate.tensors import NUMPY_TYPES

Message = TypeVar("Message")


class MemberClient:
    """Asks a member through one channel, ours or a foreign server's. Belongs to the loop of its channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = rpc.GRPCInferenceServiceStub(channel)  # type: ignore[no-untyped-call]

    async def infer(self, member: Member, columns: Columns, timeout_seconds: float) -> FloatArray:
        """Return probabilities [N, C] in the order of the member's labels, or values [N, 1] for a regression.

        Raises InvalidInput, InvalidRows (rows by their index in this batch), MemberError, Unavailable, Overloaded
        or DeadlineExceeded; a cancelled call is cancelled on the server.
        """
        request = member_request(member, columns)
        return await self.ask(member, request, request.inputs[0].shape[0], timeout_seconds)

    async def ask(self, member: Member, request: pb.ModelInferRequest, rows: int, timeout_seconds: float) -> FloatArray:
        """Return what `infer` does, for a request that is written already."""
        response = await _translated(self._stub.ModelInfer(request, timeout=timeout_seconds))
        return member_output(member, read_outputs(response), rows)

    async def ready(self, member: Member, timeout_seconds: float = 5.0) -> bool:
        """Return whether the server answers for this member's model and version."""
        request = pb.ModelReadyRequest(name=member.model or member.name, version=member.model_version)
        response = await _translated(self._stub.ModelReady(request, timeout=timeout_seconds))
        return bool(response.ready)

    async def metadata(self, model: str, version: str = "", timeout_seconds: float = 5.0) -> pb.ModelMetadataResponse:
        """Return what the server says of a model: its inputs, outputs, versions and properties."""
        request = pb.ModelMetadataRequest(name=model, version=version)
        return await _translated(self._stub.ModelMetadata(request, timeout=timeout_seconds))


def member_request(member: Member, columns: Columns) -> pb.ModelInferRequest:
    """Write the columns as the member's server reads them: names, datatypes, stacked matrices."""
    inputs = [_tensor(binding, columns) for binding in member.inputs if _given(binding, columns)]
    if not inputs:
        raise InvalidInput(f"{member.name} reads {listed(member.columns)}; the request has {listed(columns)}")
    return infer_request(member.model or member.name, member.model_version, inputs, (member.output.tensor,))


async def _translated(call: Awaitable[Message]) -> Message:
    try:
        return await call
    except grpc.RpcError as error:
        raise error_from_rpc(error) from error


def _given(binding: InputBinding, columns: Columns) -> bool:
    """Whether a tensor can be filled: a single column may be left out, a matrix needs all of its columns."""
    return binding.layout == "matrix" or binding.columns[0] in columns


def _tensor(binding: InputBinding, columns: Columns) -> tuple[str, str, NDArray[Any]]:
    try:
        arrays = [columns[column] for column in binding.columns]
    except KeyError as error:
        raise InvalidInput(
            f"column {error} is missing; tensor {binding.tensor!r} needs {listed(binding.columns)}"
        ) from None
    if binding.layout == "matrix":
        return binding.tensor, binding.datatype, np.stack([_cast(binding, array) for array in arrays], axis=1)
    if binding.datatype == "BYTES" and arrays[0].dtype == np.uint8 and arrays[0].ndim >= 3:
        return binding.tensor, "UINT8", arrays[0]  # pictures may travel as pixels instead of files
    return binding.tensor, binding.datatype, _cast(binding, arrays[0])


def _cast(binding: InputBinding, array: NDArray[Any]) -> NDArray[Any]:
    """Return the column in the tensor's datatype; whole numbers may be categories, else text and numbers differ."""
    dtype = NUMPY_TYPES[binding.datatype]
    if binding.datatype == "BYTES" and array.dtype.kind in "iub" and array.ndim == 1:
        return np.array([str(cell).lower() for cell in array.tolist()], dtype=object)
    is_text = array.dtype.kind in "OSU"
    if is_text != (binding.datatype == "BYTES"):
        held = "text" if is_text else f"numbers ({array.dtype})"
        raise InvalidInput(
            f"{', '.join(binding.columns)} holds {held}; tensor {binding.tensor!r} takes {binding.datatype}"
        )
    if is_text or array.dtype == dtype:
        return array
    if dtype.kind in "iu" and array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InvalidInput(
            f"a value of {', '.join(binding.columns)} is missing or infinite; {binding.datatype} cannot say so"
        )
    with np.errstate(over="ignore"):
        cast = array.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(cast, array):
        raise InvalidInput(f"a value of {', '.join(binding.columns)} does not fit {binding.datatype} without loss")
    return cast
