"""Good requests: raw and typed tensors, BYTES, ids, chosen outputs, asynchronous calls."""

import queue

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2

TYPED = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


@pytest.fixture(scope="module")
def reference(client, target):
    return client.infer(target.model, target.inputs()).as_numpy("probabilities")


def test_probabilities_have_a_row_an_item_and_sum_to_one(reference, target):
    assert reference.shape == (target.rows, len(target.labels))
    assert reference.dtype == np.float32
    np.testing.assert_allclose(reference.sum(axis=1), 1, atol=1e-5)


def test_a_named_version_answers_like_the_servers_choice(client, target, reference):
    result = client.infer(target.model, target.inputs(), model_version=target.version)
    np.testing.assert_allclose(result.as_numpy("probabilities"), reference, atol=1e-5)
    assert result.get_response().model_version == target.version
    assert result.get_response().model_name == target.model


def test_the_id_is_echoed(client, target):
    assert client.infer(target.model, target.inputs(), request_id="abc-1").get_response().id == "abc-1"


def test_every_output_comes_when_none_is_named(client, target):
    response = client.infer(target.model, target.inputs()).get_response()
    assert [output.name for output in response.outputs] == target.outputs
    assert len(response.raw_output_contents) == len(response.outputs)


def test_only_the_named_outputs_come(client, target):
    wanted = triton.InferRequestedOutput(target.outputs[-1])
    response = client.infer(target.model, target.inputs(), outputs=[wanted]).get_response()
    assert [output.name for output in response.outputs] == [target.outputs[-1]]


def test_labels_come_as_bytes(client, target, reference):
    if "label" not in target.outputs:
        pytest.skip("this server answers in probabilities alone")
    labels = client.infer(target.model, target.inputs()).as_numpy("label")
    expected = [target.labels[index] for index in reference.argmax(axis=1)]
    assert [label.decode() for label in labels] == expected


def test_one_row_answers_like_its_row_in_the_batch(client, target, reference):
    row = [
        triton.InferInput(name, [1, *array.shape[1:]], target.datatypes[name]) for name, array in target.arrays.items()
    ]
    for tensor, array in zip(row, target.arrays.values(), strict=True):
        tensor.set_data_from_numpy(array[:1])
    np.testing.assert_allclose(client.infer(target.model, row).as_numpy("probabilities"), reference[:1], atol=1e-4)


def test_typed_tensors_mean_the_same_as_raw_ones(stub, target, reference):
    request = service_pb2.ModelInferRequest(model_name=target.model)
    for name, array in target.arrays.items():
        tensor = request.inputs.add(name=name, datatype=target.datatypes[name], shape=array.shape)
        getattr(tensor.contents, TYPED[target.datatypes[name]]).extend(array.ravel().tolist())
    response = stub.ModelInfer(request)
    index = [output.name for output in response.outputs].index("probabilities")
    values = np.frombuffer(response.raw_output_contents[index], np.float32).reshape(response.outputs[index].shape)
    np.testing.assert_allclose(values, reference, atol=1e-5)


def test_inputs_may_come_in_any_order(client, target, reference):
    result = client.infer(target.model, target.inputs()[::-1])
    np.testing.assert_allclose(result.as_numpy("probabilities"), reference, atol=1e-5)


def test_asynchronous_calls_answer_their_own_caller(client, target, reference):
    answers = queue.Queue()
    for number in range(20):
        inputs = target.inputs()
        client.async_infer(
            target.model,
            inputs,
            callback=lambda result, error, number=number: answers.put((number, result, error)),
            request_id=str(number),
        )
    for _ in range(20):
        number, result, error = answers.get(timeout=30)
        assert error is None
        assert result.get_response().id == str(number)
        np.testing.assert_allclose(result.as_numpy("probabilities"), reference, atol=1e-4)


def test_a_generous_client_timeout_changes_nothing(client, target, reference):
    result = client.infer(target.model, target.inputs(), client_timeout=30, timeout=30_000_000)
    np.testing.assert_allclose(result.as_numpy("probabilities"), reference, atol=1e-5)
