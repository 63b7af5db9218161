"""Live, ready and metadata, as tritonclient asks for them."""

import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException


def test_server_is_live_and_ready(client):
    assert client.is_server_live()
    assert client.is_server_ready()


def test_model_is_ready_with_and_without_its_version(client, target):
    assert client.is_model_ready(target.model)
    assert client.is_model_ready(target.model, target.version)


@pytest.mark.parametrize(("model", "version"), [("no-such-model", ""), (None, "999")])
def test_an_unknown_model_or_version_is_not_found_when_its_readiness_is_asked(client, target, model, version):
    with pytest.raises(InferenceServerException) as caught:
        client.is_model_ready(model or target.model, version)
    assert caught.value.status() == "StatusCode.NOT_FOUND"


def test_server_metadata_names_the_server(client):
    metadata = client.get_server_metadata()
    assert metadata.name
    assert metadata.version


def test_model_metadata_lists_inputs_outputs_and_versions(client, target):
    metadata = client.get_model_metadata(target.model)
    assert metadata.name == target.model
    assert target.version in metadata.versions
    assert metadata.platform
    assert set(target.arrays) <= {tensor.name for tensor in metadata.inputs}
    assert set(target.outputs) <= {tensor.name for tensor in metadata.outputs}
    assert all(tensor.datatype and list(tensor.shape) for tensor in [*metadata.inputs, *metadata.outputs])


def test_metadata_as_json_can_be_read(client, target):
    assert client.get_model_metadata(target.model, as_json=True)["name"] == target.model


@pytest.mark.parametrize(("model", "version"), [("no-such-model", ""), (None, "999"), (None, "not-a-number")])
def test_metadata_of_an_unknown_model_or_version_is_not_found(client, target, model, version):
    with pytest.raises(InferenceServerException) as caught:
        client.get_model_metadata(model or target.model, version)
    assert caught.value.status() == "StatusCode.NOT_FOUND"


def test_a_second_client_is_served_beside_the_first(target):
    with triton.InferenceServerClient(target.address) as other:
        assert other.is_server_live()
