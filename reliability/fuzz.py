"""`make fuzz`: requests meant to break the server, made from its OpenAPI description, sent to one of our own on loopback.

    python -m reliability.fuzz [--seconds 120] [--seed N]

Schemathesis makes them, by the description and against it. It fails on a crash, a hang, an answer that the description does not have, an
error of the server (5xx), and if the server gives a wrong answer afterwards.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from benchmarks.machine import REPOSITORY
from benchmarks.serving.servers import local_process

DESCRIPTION = REPOSITORY / "serving/openapi.yaml"
MODEL, ABSENT = "fuzzed", "absent"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
PAIR = {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}}
ANSWER_SECONDS = 10.0
MARGIN_SECONDS = 60.0  # that Schemathesis may take to end by itself
QUESTION = {"inputs": {"text": ["a"], "whole": [[1, 2]], "real": [0.5]}}
ANSWER = {"outputs": {"letters": ["A"], "sum": [3.5]}}


def write_model(folder: Path) -> None:
    """Writes a model that takes texts, whole numbers and others, and has a signature of tf.Examples."""
    import tensorflow as tf

    module = tf.Module()
    module.one = tf.Variable(1.0)

    def of_columns(text: tf.Tensor, whole: tf.Tensor, real: tf.Tensor) -> dict[str, tf.Tensor]:
        numbers = tf.cast(tf.reduce_sum(whole, axis=1), tf.float32)
        return {"letters": tf.strings.upper(text), "sum": numbers + real * module.one}

    def of_examples(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"outputs": tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"] * module.one}

    def classes(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"scores": of_examples(inputs)["outputs"]}

    columns = [
        tf.TensorSpec([None], tf.string, name="text"),
        tf.TensorSpec([None, 2], tf.int32, name="whole"),
        tf.TensorSpec([None], tf.float32, name="real"),
    ]
    examples = [tf.TensorSpec([None], tf.string, name="inputs")]
    module.serve = tf.function(of_columns, input_signature=columns)
    module.regress = tf.function(of_examples, input_signature=examples)
    module.classify = tf.function(classes, input_signature=examples)
    signatures = {"serving_default": module.serve, "regress": module.regress, "classify": module.classify}
    tf.saved_model.save(module, str(folder), signatures=signatures)


def narrowed(description: dict[str, Any]) -> dict[str, Any]:
    """The description with names that the server knows, so that most requests get past the look for their model."""
    parameters, schemas = description["components"]["parameters"], description["components"]["schemas"]
    parameters["model"]["schema"] = {"enum": [MODEL, ABSENT]}
    parameters["label"]["schema"] = {"enum": ["stable"]}
    parameters["version"]["schema"] = {"enum": [1, 2]}
    schemas["PredictRequest"]["properties"]["signature_name"] = {"enum": ["serving_default", "regress", "absent"]}
    schemas["ExamplesRequest"]["properties"]["signature_name"] = {"enum": ["regress", "classify", "serving_default"]}
    schemas["Example"] |= {"properties": {"x": {"anyOf": [{"type": "number"}, {"$ref": "#/components/schemas/Value"}]}}, "required": ["x"]}
    columns = {"text": {"type": "string"}, "whole": PAIR, "real": {"type": "number", "minimum": -1e30, "maximum": 1e30}}
    for key, fitting in (
        ("instances", {"type": "array", "minItems": 1, "items": exactly(columns)}),
        ("inputs", exactly({name: {"type": "array", "minItems": 2, "maxItems": 2, "items": one} for name, one in columns.items()})),
    ):
        given = schemas["PredictRequest"]["properties"][key]
        schemas["PredictRequest"]["properties"][key] = {"anyOf": [fitting, given]}
    return description


def exactly(columns: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object with these properties and no others."""
    return {"type": "object", "properties": columns, "required": list(columns), "additionalProperties": False}


def asked(address: str) -> Any:
    """What the server answers to the question."""
    connection = http.client.HTTPConnection(address, timeout=ANSWER_SECONDS)
    try:
        connection.request("POST", f"/v1/models/{MODEL}:predict", json.dumps(QUESTION))
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def main() -> int:
    """The command line, see the head of this module; 1 if a bug was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=120, help="to ask for (default %(default)s)")
    parser.add_argument("--seed", type=int, help="of the requests, to have the same ones again; Schemathesis says which it took")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        write_model(folder / "models" / MODEL / "1")
        (folder / "models" / MODEL / "labels.json").write_text('{"labels": {"stable": 1}}')
        description = folder / "openapi.json"
        description.write_text(json.dumps(narrowed(yaml.safe_load(DESCRIPTION.read_text()))))
        with local_process(folder / "models", MODEL) as (server, _, address):
            options = [
                "--url",
                f"http://{address}",
                "--max-time",
                str(arguments.seconds),
                "--checks",
                CHECKS,
                "--phases",
                "coverage,fuzzing",
            ]
            options += ["--request-timeout", str(ANSWER_SECONDS), "--continue-on-failure", "--no-color"]
            options += ["--seed", str(arguments.seed)] if arguments.seed is not None else []
            command = [sys.executable, "-m", "schemathesis.cli", "run", str(description), *options]
            ended = subprocess.run(command, cwd=folder, check=False, timeout=arguments.seconds + MARGIN_SECONDS)
            alive = server.poll() is None and asked(address) == ANSWER
    if not alive:
        print("fuzz: expected the server to answer rightly afterwards, it does not")
    return 1 if ended.returncode or not alive else 0


if __name__ == "__main__":
    sys.exit(main())
