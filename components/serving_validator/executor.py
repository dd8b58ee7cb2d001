"""The work of the serving validator: ask the C++ loader in another process, compare with the golden answers, bless or not."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.arrays import load_arrays, save_arrays
from components.child import ChildFailed, run_module
from components.golden import compare, read_golden

_SIGNATURES = ("serving_default", "decode", "raw")
# Of signatures that some models have, the output that is the model's own answer.
_ANSWERS = {"classify": "scores", "regress": "outputs"}


def validate(saved_model_dir: Path, model_run: Path, work_dir: Path, tolerance: float, timeout: float) -> dict[str, Any]:
    """Loads a SavedModel with the C++ loader and compares its answers to the golden examples with the golden ones.

    Two ways are asked: `serving_default`, and `decode` followed by `raw`; and `classify` or `regress`, where there is one.

    Args:
        saved_model_dir: the candidate.
        model_run: folder with its golden examples and answers.
        work_dir: existing folder for temporary files; they are removed.
        tolerance: largest difference, absolute, or relative to outputs larger than 1.
        timeout: seconds it may take.

    Returns:
        The content of validation.json, see docs/architecture.md.
    """
    golden = read_golden(model_run)
    try:
        answers, load_seconds = _ask(saved_model_dir, golden.examples, work_dir, timeout)
    except (ChildFailed, _UnfitSignatures) as failure:
        return _refusal(f"the C++ SavedModel loader, which TF Serving uses, did not answer: {failure}")

    records, problems = [], []
    for name in dict.fromkeys(key.partition("/")[0] for key in answers if not key.startswith("decode/")):
        found = compare(_expected(name, golden.outputs), _received(name, answers))
        difference = None if found.problem else found.max_abs_diff
        records.append({"name": name, "examples": len(golden.examples), "max_abs_diff": difference})
        if found.problem:
            problems.append(f"signature {name!r} in C++: {found.problem}")
        elif found.relative_diff > tolerance:
            problems.append(
                f"signature {name!r} in C++: expected the trained model's answers within {tolerance:g}, "
                f"received answers {found.relative_diff:.3g} away"
            )
    return {"passed": not problems, "signatures": records, "load_seconds": load_seconds, "reason": "; ".join(problems)}


def _expected(signature: str, golden: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """What a signature is to answer; of a binary model `classify` gives the probabilities of both classes."""
    if signature not in _ANSWERS:
        return golden
    (values,) = golden.values()
    both = signature == "classify" and values.shape[1] == 1
    return {_ANSWERS[signature]: np.hstack([1 - values, values]) if both else values}


def _received(signature: str, answers: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What it answered, but for the names of classes."""
    outputs = {key.partition("/")[2]: array for key, array in answers.items() if key.startswith(f"{signature}/")}
    return {_ANSWERS[signature]: outputs[_ANSWERS[signature]]} if signature in _ANSWERS else outputs


def failed_exports(exports: Path) -> list[str]:
    """Names of the exports that exports.json does not say have passed."""
    return [record["name"] for record in json.loads((exports / "exports.json").read_text())["exports"] if not record["passed"]]


class _UnfitSignatures(ValueError):
    """The SavedModel lacks a signature, or has one of other inputs than docs/architecture.md says."""


def _refusal(reason: str) -> dict[str, Any]:
    return {"passed": False, "signatures": [], "load_seconds": None, "reason": reason}


def _ask(saved_model_dir: Path, examples: list[bytes], work_dir: Path, timeout: float) -> tuple[dict[str, np.ndarray], float]:
    """Arrays by "signature/output", and the seconds that loading took."""
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=work_dir) as partial:
        work = Path(partial)
        job, inputs, outputs = work / "job.json", work / "inputs.npz", work / "outputs.npz"
        job.write_text(json.dumps({"saved_model": str(saved_model_dir), "calls": _calls(saved_model_dir)}))
        given = np.array(examples, object)
        save_arrays(inputs, {"examples": given, "inputs": given})
        printed = run_module("components.serving_validator.c_loader", [str(job), str(inputs), str(outputs)], work, timeout)
        return load_arrays(outputs), float(printed)


def serving_signatures(saved_model_dir: Path) -> Mapping[str, Any]:
    """The SignatureDefs of the graph tagged "serve", by name, from saved_model.pb."""
    from tensorflow.core.protobuf import saved_model_pb2

    graphs = saved_model_pb2.SavedModel.FromString((saved_model_dir / "saved_model.pb").read_bytes()).meta_graphs
    return next((graph.signature_def for graph in graphs if "serve" in graph.meta_info_def.tags), {})


def _calls(saved_model_dir: Path) -> list[dict[str, dict[str, str]]]:
    """The calls of c_loader's job."""
    signatures = serving_signatures(saved_model_dir)
    missing = [name for name in _SIGNATURES if name not in signatures]
    if missing:
        raise _UnfitSignatures(f"expected the signatures {', '.join(_SIGNATURES)}, {', '.join(missing)} missing")
    decoded, served = set(signatures["decode"].outputs), set(signatures["raw"].inputs)
    if decoded != served:
        raise _UnfitSignatures(f"expected 'decode' to give the inputs of 'raw' {sorted(served)}, it gives {sorted(decoded)}")

    def call(name: str, source: str) -> dict[str, dict[str, str]]:
        """Feeds the signature with arrays named `source` plus the input's name; fetches arrays named "signature/output"."""
        inputs, outputs = signatures[name].inputs, signatures[name].outputs
        return {
            "feeds": {tensor.name: source + key for key, tensor in inputs.items()},
            "fetches": {f"{name}/{key}": tensor.name for key, tensor in outputs.items()},
        }

    further = [call(name, "") for name in _ANSWERS if name in signatures]
    return [call("serving_default", ""), call("decode", ""), call("raw", "decode/"), *further]


class Executor(base_executor.BaseExecutor):
    """Runs `validate` on TFX artifacts."""

    def Do(self, input_dict: dict[str, list[Any]], output_dict: dict[str, list[Any]], exec_properties: dict[str, Any]) -> None:
        """See ServingValidatorSpec for inputs, outputs and parameters."""
        out_dir = Path(artifact_utils.get_single_uri(output_dict["validation"]))
        failed = failed_exports(Path(artifact_utils.get_single_uri(input_dict["exports"])))
        if artifact_utils.get_single_instance(input_dict["model_blessing"]).get_int_custom_property("blessed") != 1:
            validation = _refusal("the Evaluator did not bless the model")
        elif failed:
            validation = _refusal(f"these exports do not answer like the trained model: {', '.join(failed)}")
        else:
            validation = validate(
                saved_model_dir=Path(path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict["model"]))),
                model_run=Path(artifact_utils.get_single_uri(input_dict["model_run"])),
                work_dir=out_dir,
                tolerance=exec_properties["tolerance"],
                timeout=exec_properties["timeout_seconds"],
            )
        (out_dir / "validation.json").write_text(json.dumps(validation, indent=2, allow_nan=False) + "\n")

        # The custom property and the file are what TFX's own components and resolvers look for.
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        blessing.set_int_custom_property("blessed", int(validation["passed"]))
        blessing.set_string_custom_property("reason", validation["reason"])
        (Path(blessing.uri) / ("INFRA_BLESSED" if validation["passed"] else "INFRA_NOT_BLESSED")).touch()
