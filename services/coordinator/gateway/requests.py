"""ModelInfer requests as they came: a header that repeats is read once, and the contents stay raw."""

from __future__ import annotations

from dataclasses import dataclass

from quorate.ensemble import Columns
from quorate.errors import InvalidInput
from quorate.oip.messages import read_inputs
from quorate.rpc.inference import grpc_service_pb2 as pb
from services.coordinator.engine.raw import RawColumns, TensorSpec

MAX_HEADERS = 1024
MAX_HEADER_BYTES = 16_384
"""Headers past this are read anew each time, so that what is remembered stays small."""


@dataclass(frozen=True, slots=True)
class Header:
    """Everything that a raw request says besides its contents and its id."""

    tensors: tuple[TensorSpec, ...]
    outputs: tuple[str, ...]
    timeout_microseconds: int | None


@dataclass(frozen=True, slots=True)
class InferRequest:
    """What is asked of an ensemble; its name, version and id stand in the message."""

    columns: Columns | RawColumns
    outputs: tuple[str, ...]
    timeout_microseconds: int | None


class RequestReader:
    """Reads requests and remembers their headers, since a client's requests differ in little but their contents."""

    def __init__(self) -> None:
        self._headers: dict[bytes, Header] = {}

    def read(self, request: pb.ModelInferRequest) -> InferRequest:
        """Return the request checked against the protocol; takes the id and raw contents out of the message.

        Raises InvalidInput as `read_inputs` does.
        """
        if not request.raw_input_contents:
            columns = read_inputs(request)
            return InferRequest(columns, _outputs(request), _timeout_microseconds(request))
        raws = list(request.raw_input_contents)
        request.ClearField("raw_input_contents")
        request.ClearField("id")
        key = request.SerializeToString()
        header = self._headers.get(key)
        if header is None or len(header.tensors) != len(raws):
            request.raw_input_contents.extend(raws)
            header = self._read_header(request, key)
        return InferRequest(RawColumns(header.tensors, raws), header.outputs, header.timeout_microseconds)

    def _read_header(self, request: pb.ModelInferRequest, key: bytes) -> Header:
        read_inputs(request)
        tensors = tuple((tensor.name, tensor.datatype, tuple(tensor.shape)) for tensor in request.inputs)
        header = Header(tensors, _outputs(request), _timeout_microseconds(request))
        if len(key) <= MAX_HEADER_BYTES:
            if len(self._headers) >= MAX_HEADERS:
                self._headers.clear()
            self._headers[key] = header
        return header


def _outputs(request: pb.ModelInferRequest) -> tuple[str, ...]:
    return tuple(output.name for output in request.outputs)


def _timeout_microseconds(request: pb.ModelInferRequest) -> int | None:
    """Read the request's `timeout`, which tritonclient sends as an int64 of microseconds."""
    if "timeout" not in request.parameters:
        return None
    parameter = request.parameters["timeout"]
    choice = parameter.WhichOneof("parameter_choice")
    if choice not in ("int64_param", "uint64_param"):
        raise InvalidInput("parameter timeout is no integer; give microseconds as int64")
    return int(getattr(parameter, choice))
