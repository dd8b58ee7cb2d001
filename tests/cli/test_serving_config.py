"""`darsena serving-config`, held to the official protos and the schemas of Kubernetes, KServe and Compose, and `darsena serve --binary`."""

import json
import sys
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from tensorflow_serving.config import model_server_config_pb2

from pipelines.common import labels
from serving import configuration
from tests.signed import sign

MODELS = ("house_prices", "mnist_mlp")
SCHEMAS = Path(__file__).with_name("schemas")
FLAGS = {
    "--model_config_file=/config/models.config",
    "--model_config_file_poll_wait_seconds=60",
    "--allow_version_labels_for_unavailable_models=true",
    "--monitoring_config_file=/config/monitoring.config",
}


@pytest.fixture
def root(tmp_path) -> Path:
    """Two models, of which one has a label on an older version."""
    for model, version in ((MODELS[0], 4), (MODELS[1], 1), (MODELS[1], 2), (MODELS[1], 3)):
        sign(tmp_path / "serving" / model / str(version))
    labels.promote(tmp_path, MODELS[1], "stable", 1, "", False)
    return tmp_path


def official(name: str, fields: dict[str, tuple[int, int | str]]) -> type:
    """A message of TF Serving that its wheel lacks, by its published definition: number and type of each field by name."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package="published", syntax="proto3")
    file.dependency.append("google/protobuf/wrappers.proto")
    message = file.message_type.add(name=name)
    for field, (number, kind) in fields.items():
        added = message.field.add(name=field, number=number, label=1)
        if isinstance(kind, str):
            added.type, added.type_name = 11, kind
        else:
            added.type = kind
    from google.protobuf import wrappers_pb2

    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"published.{name}"))


def test_the_servers_own_files_parse_as_the_official_messages(darsena, root):
    ended = darsena("serving-config", "--root", root, "--threads", 3, "--json")
    assert ended.json["models"] == list(MODELS)
    folder = root / "serving-config"
    found = text_format.Parse((folder / "models.config").read_text(), model_server_config_pb2.ModelServerConfig())
    first, second = found.model_config_list.config
    assert (first.name, first.base_path, first.model_platform) == ("house_prices", "/models/house_prices", "tensorflow")
    assert first.model_version_policy.latest.num_versions == 1 and not first.version_labels
    assert list(second.model_version_policy.specific.versions) == [1, 3] and dict(second.version_labels) == {"stable": 1}

    wrapped = ".google.protobuf.Int64Value"
    # session_bundle_config.proto of TF Serving
    fields = {"max_batch_size": 1, "batch_timeout_micros": 2, "max_enqueued_batches": 3, "num_batch_threads": 4}
    batching = text_format.Parse(
        (folder / "batching.config").read_text(), official("Batching", {name: (number, wrapped) for name, number in fields.items()})()
    )
    assert (batching.max_batch_size.value, batching.num_batch_threads.value, batching.max_enqueued_batches.value) == (32, 3, 300)
    # monitoring_config.proto
    text = (folder / "monitoring.config").read_text().strip()
    inner = text.removeprefix("prometheus_config {").removesuffix("}")
    prometheus = text_format.Parse(inner, official("Prometheus", {"enable": (1, 8), "path": (2, 9)})())
    assert prometheus.enable and prometheus.path == "/monitoring/prometheus/metrics"


def test_the_local_server_takes_the_same_configuration(root):
    """The two agree on what the file says."""
    from serving.deployment.files import Options, Served, files

    served = Served("mnist_mlp", str(root / "serving/mnist_mlp"), 3, {"stable": 1})
    text = files([served], Options(str(root)))["models.config"]
    (root / "models.config").write_text(text)
    found = configuration.settings_of(configuration.read(root / "models.config"), root / "serving")
    assert found["mnist_mlp"].versions == {1, 3} and found["mnist_mlp"].labels == {"stable": 1}


@pytest.mark.parametrize("batching", [True, False])
def test_kubernetes_takes_its_file(darsena, root, batching):
    options = [
        "--image",
        "registry/serving:1.2",
        "--memory",
        "4Gi",
        "--replicas",
        3,
        "--claim",
        "models",
        *(["--batching"] if batching else []),
    ]
    assert darsena("serving-config", "--root", root, "--out", root / "deploy", *options).code == 0
    resources = list(yaml.safe_load_all((root / "deploy/kubernetes.yaml").read_text()))
    for resource in resources:
        kubernetes_validate.validate(resource, "1.33", strict=True)
    config, deployment, service = resources
    assert [resource["kind"] for resource in resources] == ["ConfigMap", "Deployment", "Service"]
    for name in ("models.config", "monitoring.config", "batching.config"):
        assert config["data"][name].strip() == (root / "deploy" / name).read_text().strip()
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "registry/serving:1.2" and container["resources"]["limits"]["memory"] == "4Gi"
    assert set(container["args"]) >= FLAGS and ("--enable_batching=true" in container["args"]) == batching
    assert deployment["spec"]["replicas"] == 3 and pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == "models"
    assert {port["targetPort"] for port in service["spec"]["ports"]} == {port["name"] for port in container["ports"]}
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]


def check(document: object, schema: str) -> None:
    """Holds a document to a schema; unknown fields are refused."""
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{schema}.json").read_text())).validate(document)


@pytest.mark.parametrize("batching", [True, False])
def test_compose_and_kserve_take_their_files(darsena, root, batching):
    darsena("serving-config", "--root", root, "--claim", "models", *(["--batching"] if batching else []))
    compose = yaml.safe_load((root / "serving-config/compose.yaml").read_text())
    check(compose, "compose-spec")
    services = list(yaml.safe_load_all((root / "serving-config/kserve.yaml").read_text()))
    for service in services:
        check(service, "kserve-inferenceservice")

    (run,) = compose["services"].values()
    run["port"] = run.pop("ports")
    services[0]["spec"]["predictor"]["model"]["storageURI"] = "pvc://models"
    for wrong, schema, field in ((compose, "compose-spec", "port"), (services[0], "kserve-inferenceservice", "storageURI")):
        with pytest.raises(jsonschema.ValidationError, match=rf"'{field}' was unexpected|'{field}' does not match"):
            check(wrong, schema)


def test_compose_listens_on_loopback_and_mounts_the_models_read_only(darsena, root):
    darsena("serving-config", "--root", root)
    (service,) = yaml.safe_load((root / "serving-config/compose.yaml").read_text())["services"].values()
    assert service["ports"] == ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"]
    assert [(volume["source"], volume["target"], volume["read_only"]) for volume in service["volumes"]] == [
        (str(root / "serving"), "/models", True),
        (".", "/config", True),
    ]
    assert set(service["command"]) == FLAGS | {"--port=8500", "--rest_api_port=8501"} and service["image"] == "tensorflow/serving:2.20.0"


def test_kserve_has_a_service_for_each_model(darsena, root):
    darsena("serving-config", "--root", root)
    services = list(yaml.safe_load_all((root / "serving-config/kserve.yaml").read_text()))
    assert [service["metadata"]["name"] for service in services] == ["house-prices", "mnist-mlp"]
    for service, name in zip(services, MODELS, strict=True):
        assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
        model = service["spec"]["predictor"]["model"]
        assert model["storageUri"] == f"pvc://darsena-models/{name}" and model["modelFormat"] == {"name": "tensorflow"}


def test_mistakes_are_one_line_and_write_nothing(darsena, root, tmp_path):
    nothing = darsena("serving-config", "mnist_lenet", "--root", root)
    assert nothing.code == 1 and "expected a pushed version of mnist_lenet" in nothing.err
    (root / "serving/mnist_mlp/1").rename(root / "gone")
    gone = darsena("serving-config", "--root", root)
    assert gone.code == 1 and "expected version 1 of mnist_mlp, which has the label stable" in gone.err
    assert not (root / "serving-config").exists()
    (tmp_path / "file").write_text("")
    blocked = darsena("serving-config", "house_prices", "--root", root, "--out", tmp_path / "file/deploy")
    assert blocked.code == 1 and blocked.err.count("\n") == 1


def test_a_real_server_is_run_with_the_same_configuration(root, tmp_path):
    """A stand-in for tensorflow_model_server that tells what it was given."""
    import subprocess

    binary = tmp_path / "tensorflow_model_server"
    binary.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    binary.chmod(0o755)
    command = [sys.executable, "-m", "pipelines", "serve", "mnist_mlp", "--root", str(root), "--binary", str(binary)]
    done = subprocess.run([*command, "--grpc-port", "9500", "--batching"], capture_output=True, text=True, check=True)
    given = dict(flag.removeprefix("--").split("=") for flag in json.loads(done.stdout))
    assert (given["port"], given["rest_api_port"]) == ("9500", "8501") and "listens on all of this machine's addresses" in done.stderr
    found = text_format.Parse(Path(given["model_config_file"]).read_text(), model_server_config_pb2.ModelServerConfig())
    (model,) = found.model_config_list.config
    assert model.base_path == str(root / "serving/mnist_mlp") and dict(model.version_labels) == {"stable": 1}
    assert given["enable_batching"] == "true" and "max_batch_size { value: 32 }" in Path(given["batching_parameters_file"]).read_text()
    for options, code, said in ((["--host", "0.0.0.0"], 2, "no --host"), (["--rest-port", "0"], 2, "ports other than 0")):
        refused = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        assert refused.returncode == code and said in refused.stderr
    binary.write_text("")
    broken = subprocess.run(command, capture_output=True, text=True, check=False)
    assert broken.returncode == 1 and "to be a program for this machine" in broken.stderr
