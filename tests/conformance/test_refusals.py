"""Bad requests: each gets the status that the protocol's clients rely on, and the server goes on serving."""

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException


@pytest.fixture(autouse=True)
def _still_serving(client, target):
    yield
    assert client.infer(target.model, target.inputs()).as_numpy("probabilities") is not None


def refusal(call, *arguments, **keywords):
    """Return the status and the message of a call that must fail."""
    with pytest.raises(InferenceServerException) as caught:
        call(*arguments, **keywords)
    return caught.value.status(), caught.value.message()


def raw_refusal(stub, request):
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(request)
    return caught.value.code(), caught.value.details()


@pytest.fixture
def request_message(target):
    request = service_pb2.ModelInferRequest(model_name=target.model)
    for tensor in target.inputs():
        request.inputs.append(tensor._get_tensor())
        request.raw_input_contents.append(tensor._get_content())
    return request


@pytest.mark.parametrize(("model", "version"), [("no-such-model", ""), (None, "999"), (None, "not-a-number")])
def test_an_unknown_model_or_version_is_not_found(client, target, model, version):
    status, message = refusal(client.infer, model or target.model, target.inputs(), model_version=version)
    assert status == "StatusCode.NOT_FOUND"
    assert (model or version) in message


def test_an_unknown_input_is_refused_by_name(client, target):
    extra = triton.InferInput("no_such_input", [target.rows], "FP32")
    extra.set_data_from_numpy(np.zeros(target.rows, np.float32))
    status, message = refusal(client.infer, target.model, [*target.inputs(), extra])
    assert status == "StatusCode.INVALID_ARGUMENT"
    assert "no_such_input" in message


def test_an_unknown_output_is_refused_by_name(client, target):
    wanted = triton.InferRequestedOutput("no_such_output")
    status, message = refusal(client.infer, target.model, target.inputs(), outputs=[wanted])
    assert status == "StatusCode.INVALID_ARGUMENT"
    assert "no_such_output" in message


def test_an_input_given_twice_is_refused(client, target):
    status, message = refusal(client.infer, target.model, [*target.inputs(), target.inputs()[0]])
    assert status == "StatusCode.INVALID_ARGUMENT"
    assert next(iter(target.arrays)) in message


def test_no_input_at_all_is_refused(client, target):
    status, _ = refusal(client.infer, target.model, [])
    assert status == "StatusCode.INVALID_ARGUMENT"


def test_a_datatype_that_does_not_fit_is_refused(client, target):
    name, array = next(iter(target.arrays.items()))
    wrong = triton.InferInput(name, [len(array)], "FP32" if target.datatypes[name] == "BYTES" else "BYTES")
    data = (
        np.zeros(len(array), np.float32)
        if target.datatypes[name] == "BYTES"
        else np.array([b"x"] * len(array), dtype=object)
    )
    wrong.set_data_from_numpy(data)
    status, message = refusal(client.infer, target.model, [wrong, *target.inputs()[1:]])
    assert status == "StatusCode.INVALID_ARGUMENT"
    assert name in message


def test_an_unknown_datatype_is_refused(stub, target, request_message):
    request_message.inputs[0].datatype = "FLOAT"
    status, message = raw_refusal(stub, request_message)
    assert status == grpc.StatusCode.INVALID_ARGUMENT
    assert "FLOAT" in message


@pytest.mark.parametrize("shape", [[-1], [0, 0, 0, 0, 0, 7], [1_000_000]])
def test_a_shape_that_does_not_fit_is_refused(stub, target, request_message, shape):
    del request_message.inputs[0].shape[:]
    request_message.inputs[0].shape.extend(shape)
    status, message = raw_refusal(stub, request_message)
    assert status == grpc.StatusCode.INVALID_ARGUMENT
    assert request_message.inputs[0].name in message


def test_rows_that_do_not_agree_are_refused(client, target):
    if len(target.arrays) < 2:
        pytest.skip("this model has one input")
    name, array = next(iter(target.arrays.items()))
    shorter = triton.InferInput(name, [len(array) - 1, *array.shape[1:]], target.datatypes[name])
    shorter.set_data_from_numpy(array[:-1])
    status, _ = refusal(client.infer, target.model, [shorter, *target.inputs()[1:]])
    assert status == "StatusCode.INVALID_ARGUMENT"


def test_fewer_raw_contents_than_inputs_are_refused(stub, request_message):
    del request_message.raw_input_contents[-1]
    status, _ = raw_refusal(stub, request_message)
    assert status == grpc.StatusCode.INVALID_ARGUMENT


def test_more_raw_contents_than_inputs_are_refused(stub, request_message):
    request_message.raw_input_contents.append(b"1234")
    status, _ = raw_refusal(stub, request_message)
    assert status == grpc.StatusCode.INVALID_ARGUMENT


def test_raw_contents_cut_short_are_refused(stub, request_message):
    request_message.raw_input_contents[0] = request_message.raw_input_contents[0][:-1]
    status, message = raw_refusal(stub, request_message)
    assert status == grpc.StatusCode.INVALID_ARGUMENT
    assert request_message.inputs[0].name in message


def test_raw_contents_with_bytes_to_spare_are_refused(stub, request_message):
    request_message.raw_input_contents[0] += b"x"
    status, _ = raw_refusal(stub, request_message)
    assert status == grpc.StatusCode.INVALID_ARGUMENT


def test_raw_and_typed_contents_together_are_refused(stub, target, request_message):
    field = "bytes_contents" if request_message.inputs[0].datatype == "BYTES" else "fp64_contents"
    getattr(request_message.inputs[0].contents, field).extend([b"x"] if field.startswith("bytes") else [1.0])
    status, _ = raw_refusal(stub, request_message)
    assert status == grpc.StatusCode.INVALID_ARGUMENT


def test_a_client_timeout_that_cannot_be_met_is_deadline_exceeded(client, target):
    inputs = []
    for name, array in target.arrays.items():
        many = np.tile(array, (1000,) + (1,) * (array.ndim - 1))
        inputs.append(triton.InferInput(name, list(many.shape), target.datatypes[name]))
        inputs[-1].set_data_from_numpy(many)
    status, _ = refusal(client.infer, target.model, inputs, client_timeout=0.002)
    assert status == "StatusCode.DEADLINE_EXCEEDED"
