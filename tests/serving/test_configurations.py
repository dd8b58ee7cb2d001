"""Several versions, labels, and configurations that come while the server answers."""

import json
import shutil

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc
from tensorflow_serving.config import model_server_config_pb2

from serving import configuration
from serving.client import GrpcClient, RestClient
from serving.errors import RequestError, ServingError
from serving.server import ModelServer
from serving.store import ModelStore
from tests import tiny_model
from tests.serving.conftest import MAX_BYTES, NEVER
from tests.serving.exported import NAME

IMAGES = tiny_model.images(3)


@pytest.fixture
def store(tmp_path, exported) -> ModelStore:
    """A store over versions 1 and 2 of the tiny model, and 3, which is 1 again."""
    for version, number in ((1, 1), (2, 2), (1, 3)):
        exported.publish(version, tmp_path, number)
    result = ModelStore(tmp_path, None, MAX_BYTES)
    result.scan()
    return result


def available(store: ModelStore) -> set[int]:
    return {version for version, state in store.states(NAME).items() if state.state == "AVAILABLE"}


def config(tmp_path, name: str = NAME, **fields) -> model_server_config_pb2.ModelServerConfig:
    model = {"name": name, "base_path": str(tmp_path / NAME), "model_platform": "tensorflow", **fields}
    return model_server_config_pb2.ModelServerConfig(model_config_list={"config": [model]})


def label(tmp_path, content: str) -> None:
    (tmp_path / NAME / configuration.LABELS_FILE).write_text(content)


def test_labels_of_the_folder(store, exported, tmp_path):
    assert available(store) == {3}
    label(tmp_path, json.dumps({"labels": {"stable": 2, "canary": 3, "gone": 9}, "history": []}))
    store.scan()
    assert available(store) == {2, 3} and store.served() == {NAME: 3}
    found = [store.find(NAME, label=name).version for name in ("stable", "canary")]
    assert found == [2, 3] and store.find(NAME).version == 3 and store.find(NAME, 2).version == 2
    answer = store.find(NAME, label="stable").predict("serving_default", {"image": IMAGES})["probabilities"]
    np.testing.assert_allclose(answer, exported.answer(2, IMAGES), atol=1e-6)
    assert list(store.states(NAME, label="stable")) == [2]
    with pytest.raises(RequestError, match=r"Unrecognized servable version label: nope\. Labels of tiny: canary, gone, stable") as refused:
        store.find(NAME, label="nope")
    assert refused.value.code == "INVALID_ARGUMENT"
    with pytest.raises(RequestError, match=r"Specific\(tiny, gone\)\. Served: version 2, 3") as refused:
        store.find(NAME, label="gone")
    assert refused.value.code == "NOT_FOUND"
    label(tmp_path, json.dumps({"labels": {"stable": 3}}))
    store.scan()
    assert available(store) == {3} and store.find(NAME, label="stable").version == 3


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"labels": {"stable": "2"}}', '{"labels": {"stable": true}}', '{"labels"'])
def test_damaged_labels_leave_what_was_served(store, tmp_path, content, caplog):
    label(tmp_path, '{"labels": {"stable": 2}}')
    store.scan()
    label(tmp_path, content)
    store.scan()
    assert available(store) == {2, 3} and store.find(NAME, label="stable").version == 2
    assert "cannot read the labels of tiny" in caplog.text


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({}, {3}),
        ({"latest": {}}, {3}),
        ({"latest": {"num_versions": 2}}, {2, 3}),
        ({"all": {}}, {1, 2, 3}),
        ({"specific": {"versions": [1, 2]}}, {1, 2}),
    ],
)
def test_version_policies(store, tmp_path, policy, expected):
    store.configure(config(tmp_path, model_version_policy=policy))
    assert available(store) == expected
    assert store.find(NAME).version == max(expected)


def test_the_newest_that_loads_counts_as_the_newest(store, tmp_path, exported):
    shutil.copytree(tmp_path / NAME / "2", tmp_path / NAME / "4")
    (tmp_path / NAME / "4/saved_model.pb").write_bytes(b"broken")
    store.configure(config(tmp_path, model_version_policy={"latest": {"num_versions": 2}}))
    assert available(store) == {2, 3} and store.states(NAME)[4].state == "END"


def test_a_configuration_replaces_the_one_before(store, tmp_path):
    store.configure(config(tmp_path, name="other", version_labels={"stable": 3}))
    assert store.served() == {"other": 3} and store.find("other", label="stable").version == 3
    with pytest.raises(RequestError, match=r"Latest\(tiny\)"):
        store.find(NAME)
    store.scan()
    assert store.served() == {"other": 3}


def twice(given: model_server_config_pb2.ModelServerConfig) -> model_server_config_pb2.ModelServerConfig:
    return model_server_config_pb2.ModelServerConfig(model_config_list={"config": 2 * list(given.model_config_list.config)})


@pytest.mark.parametrize(
    ("make", "code", "said"),
    [
        (lambda path: model_server_config_pb2.ModelServerConfig(), "INVALID_ARGUMENT", "Only ModelConfigList is currently supported"),
        (lambda path: config(path, name="../x"), "INVALID_ARGUMENT", "expected a model name"),
        (lambda path: config(path, model_platform="caffe"), "INVALID_ARGUMENT", "expected the model_platform of tiny to be tensorflow"),
        (lambda path: config(path, base_path="tiny"), "INVALID_ARGUMENT", "to be an absolute path in"),
        (lambda path: config(path, base_path=str(path / "../elsewhere")), "INVALID_ARGUMENT", "to be an absolute path in"),
        (lambda path: twice(config(path)), "INVALID_ARGUMENT", "multiple times"),
        (lambda path: config(path, model_version_policy={"specific": {}}), "INVALID_ARGUMENT", "at least one version"),
        (lambda path: config(path, base_path=str(path / "empty")), "NOT_FOUND", "no version of tiny"),
        (lambda path: config(path, version_labels={"stable": 9}), "FAILED_PRECONDITION", "label stable to version 9 of model tiny"),
    ],
)
def test_a_wrong_configuration_changes_nothing(store, tmp_path, make, code, said):
    store.configure(config(tmp_path, version_labels={"old": 2}))
    with pytest.raises(RequestError, match=said) as refused:
        store.configure(make(tmp_path))
    assert refused.value.code == code
    assert available(store) == {2, 3} and store.find(NAME, label="old").version == 2


def test_over_the_wire(exported, tmp_path):
    for version in (1, 2):
        exported.publish(version, tmp_path)
    file = tmp_path / "models.config"
    policy = "model_version_policy { specific { versions: 1 } }"
    file.write_text(f'model_config_list {{ config {{ name: "tiny" base_path: "{tmp_path}/tiny" model_platform: "tensorflow" {policy} }} }}')
    with ModelServer(tmp_path, grpc_port=0, rest_port=0, poll_seconds=NEVER, config=file) as server:
        assert server.served() == {NAME: 1}
        request = model_management_pb2.ReloadConfigRequest(
            config=config(tmp_path, model_version_policy={"all": {}}, version_labels={"stable": 1, "canary": 2})
        )
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            stub = model_service_pb2_grpc.ModelServiceStub(channel)
            assert stub.HandleReloadConfigRequest(request).status.error_code == 0
            request.config.model_config_list.config[0].version_labels["canary"] = 7
            with pytest.raises(grpc.RpcError) as refused:
                stub.HandleReloadConfigRequest(request)
            assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        rest, by_grpc = RestClient(f"http://127.0.0.1:{server.rest_port}"), GrpcClient(f"127.0.0.1:{server.grpc_port}")
        for client in (rest, by_grpc):
            assert [state.version for state in client.status(NAME) if state.state == "AVAILABLE"] == [2, 1]
            for name, version in (("stable", 1), ("canary", 2)):
                answer = client.predict(NAME, {"image": IMAGES}, label=name)["probabilities"]
                np.testing.assert_allclose(answer, exported.answer(version, IMAGES), atol=1e-6)
            with pytest.raises(ServingError, match="Unrecognized servable version label: nope"):
                client.predict(NAME, {"image": IMAGES}, label="nope")
        by_grpc.close()


def test_a_file_that_is_no_configuration(tmp_path):
    for content in ("model_config_list {", "models: 3", 'model_config_list { config { name: "a" base_path: "/" } }'):
        file = tmp_path / "models.config"
        file.write_text(content)
        with pytest.raises(ServingError, match=r"models\.config"):
            ModelServer(tmp_path, grpc_port=0, rest_port=0, config=file).start()
    with pytest.raises(ServingError, match=r"absent\.config"):
        ModelServer(tmp_path, grpc_port=0, rest_port=0, config=tmp_path / "absent.config").start()
