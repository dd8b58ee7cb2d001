"""The OpenAPI description of the REST API, held against what the server answers."""

import http.client
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.serving.exported import NAME, SENSOR, SIGNAL
from tests.tiny_model import images

DESCRIPTION = yaml.safe_load(Path("serving/openapi.yaml").read_text())
VERSIONS = {"half_plus_two": 1, "sensors": 1, "half_plus_three": 123, NAME: 1}
EXAMPLES = {"examples": [{"x": 1.0}, {"x": 2.0}]}
BODIES = {
    "predict": [
        ("half_plus_three", {"instances": [1.0]}),
        ("half_plus_three", {"inputs": [1.0]}),
        ("sensors", {"instances": [{"tag": "foo", "signal": SIGNAL[0], "sensor": SENSOR[0]}]}),
        ("sensors", {"inputs": {"tag": ["foo", "bar"], "signal": SIGNAL, "sensor": SENSOR}}),
        (NAME, {"instances": images(2).tolist()}),
    ],
    "classify": [("half_plus_two", EXAMPLES | {"signature_name": name}) for name in ("classify_x_to_y", "classify_names", "classify_both")],
    "regress": [("half_plus_two", EXAMPLES), ("half_plus_two", EXAMPLES | {"context": {"x": 3.0}, "signature_name": "regress_flat"})],
}
OPERATIONS = [(path, method) for path, item in DESCRIPTION["paths"].items() for method in item if method != "parameters"]
JSON_OPERATIONS = [(path, method) for path, method in OPERATIONS if path.startswith("/v1/")]


def check(value: object, schema: dict) -> None:
    jsonschema.Draft202012Validator({"components": DESCRIPTION["components"], **schema}).validate(value)


def answer_schema(path: str, method: str, status: int) -> dict:
    found = DESCRIPTION["paths"][path][method]["responses"][str(status)]
    if "$ref" in found:
        found = DESCRIPTION["components"]["responses"][found["$ref"].rpartition("/")[2]]
    return found["content"]["application/json"]["schema"]


def filled(path: str, model: str, **changed: object) -> str:
    return path.format(**{"model": model, "version": VERSIONS.get(model, 1), "label": "stable"} | changed)


def test_the_description_has_every_address():
    variants = [f"/v1/models/{{model}}{which}" for which in ("", "/versions/{version}", "/labels/{label}")]
    suffixes = ["", "/metadata", ":predict", ":classify", ":regress"]
    assert set(DESCRIPTION["paths"]) == {f"{start}{end}" for start in variants for end in suffixes} | {"/monitoring/prometheus/metrics"}


@pytest.mark.parametrize(("path", "method"), [each for each in JSON_OPERATIONS if "{label}" not in each[0]])
def test_answers_fit(ask, path, method):
    for model, body in BODIES.get(path.rpartition(":")[2], [(model, None) for model in VERSIONS]):
        if body is not None:
            check(body, DESCRIPTION["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"])
        status, answer = ask(method.upper(), filled(path, model), body)
        assert status == 200, answer
        check(answer, answer_schema(path, method, 200))


@pytest.mark.parametrize(("path", "method"), JSON_OPERATIONS)
def test_refusals_of_what_is_not_there_fit(ask, path, method):
    status, answer = ask(method.upper(), filled(path, "absent", version=7), {"inputs": 1} if method == "post" else None)
    assert status == 404
    check(answer, answer_schema(path, method, status))


@pytest.mark.parametrize(("path", "method"), [each for each in JSON_OPERATIONS if each[1] == "post" and "{label}" not in each[0]])
@pytest.mark.parametrize(
    "body", ["{", {}, {"instances": ["one"]}, {"examples": [{"x": [[]]}]}, {"signature_name": "absent", "inputs": 1}], ids=str
)
def test_refusals_of_bodies_fit(ask, path, method, body):
    status, answer = ask("POST", filled(path, "half_plus_three"), body)
    assert status == 400
    check(answer, answer_schema(path, method, status))


def test_bodies_that_the_description_has_not_are_refused(ask):
    for body in ({}, {"instances": []}, {"instances": [1.0], "inputs": [1.0]}, {"instances": [1.0], "signature_name": 1}, []):
        with pytest.raises(jsonschema.ValidationError):
            check(body, {"$ref": "#/components/schemas/PredictRequest"})
        assert ask("POST", "/v1/models/half_plus_three:predict", body)[0] == 400


def test_metrics_are_text(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=30)
    connection.request("GET", "/monitoring/prometheus/metrics")
    response = connection.getresponse()
    content = DESCRIPTION["paths"]["/monitoring/prometheus/metrics"]["get"]["responses"]["200"]["content"]
    assert response.headers.get_content_type() in content and b":tensorflow:serving:request_count" in response.read()
    connection.close()
