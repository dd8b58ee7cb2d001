"""The work of the pusher: check both blessings, then publish the model with its exports and warm-up requests."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.golden import read_golden
from components.manual_blessing.executor import given_by_hand
from components.pusher import publication, warm_up
from components.pusher.figures import read_figures


def push(
    saved_model_dir: Path,
    serving_dir: Path,
    model_uri: str,
    lineage: dict[str, Any],
    exports: Path | None = None,
    model_run: Path | None = None,
    figures: dict[str, float] | None = None,
) -> publication.Publication:
    """Publishes a model with what belongs to it in assets.extra/: lineage, `tflite/`, and warm-up requests.

    Args:
        saved_model_dir: the model.
        serving_dir: folder of the versions; its name is the model's.
        model_uri: of the Model artifact.
        lineage: what the version was made from.
        exports: folder of exports.json and its files, if any.
        model_run: folder with golden examples to make warm-up requests of, if any.
        figures: metrics of the model by name.

    Returns:
        The version, new or found.

    Raises:
        publication.PushFailed: something could not be read or written; what was served before still is.
    """

    def add_extras(extras: Path) -> None:
        if exports is not None:
            (extras / "tflite").mkdir(exist_ok=True)
            for file in (exports / "exports.json", *sorted(exports.glob("*.tflite"))):
                shutil.copy(file, extras / "tflite")
        if model_run is not None:
            warm_up.write_requests(saved_model_dir, serving_dir.name, read_golden(model_run).examples, extras / warm_up.FILE)

    return publication.publish(saved_model_dir, serving_dir, model_uri, lineage, add_extras, figures)


def refusal(input_dict: dict[str, list[Any]]) -> str:
    """Why the model may not be pushed: the gate that did not bless it; empty when both did."""
    for gate, name in (("model_blessing", "the Evaluator"), ("infra_blessing", "the serving validator")):
        blessing = artifact_utils.get_single_instance(input_dict[gate])
        if blessing.get_int_custom_property("blessed") != 1:
            reason = blessing.get_string_custom_property("reason")
            return f"{name} did not bless the model" + (f": {reason}" if reason else "")
    return ""


class Executor(base_executor.BaseExecutor):
    """Runs `push` on TFX artifacts."""

    def Do(self, input_dict: dict[str, list[Any]], output_dict: dict[str, list[Any]], exec_properties: dict[str, Any]) -> None:
        """See PusherSpec for inputs, outputs and parameters.

        Records the outcome as TFX's own Pusher does, in custom properties of `pushed_model` (`pushed`, `pushed_version`,
        `pushed_destination`), and in its pushed.json.
        """
        pushed_model = artifact_utils.get_single_instance(output_dict["pushed_model"])
        reason = refusal(input_dict)
        outcome: dict[str, Any] = {"pushed": False, "new": False, "version": None, "path": None, "reason": reason}
        if not reason:
            blessing = artifact_utils.get_single_instance(input_dict["model_blessing"])
            evaluation = _optional_folder(input_dict, "evaluation")
            model_uri = artifact_utils.get_single_uri(input_dict["model"])
            done = push(
                saved_model_dir=Path(path_utils.serving_model_path(model_uri)),
                serving_dir=Path(exec_properties["serving_dir"]),
                model_uri=model_uri,
                lineage=json.loads(exec_properties["lineage"]) | {"blessed_by_hand": given_by_hand(blessing)},
                exports=_optional_folder(input_dict, "exports"),
                model_run=_optional_folder(input_dict, "model_run"),
                figures=read_figures(evaluation) if evaluation else None,
            )
            outcome |= {"pushed": True, "new": done.new, "version": done.version, "path": str(done.path)}
            pushed_model.set_string_custom_property("pushed_version", str(done.version))
            pushed_model.set_string_custom_property("pushed_destination", str(done.path))
        pushed_model.set_int_custom_property("pushed", int(outcome["pushed"]))
        (Path(pushed_model.uri) / "pushed.json").write_text(json.dumps(outcome, indent=2) + "\n")


def _optional_folder(input_dict: dict[str, list[Any]], name: str) -> Path | None:
    return Path(artifact_utils.get_single_uri(input_dict[name])) if input_dict.get(name) else None
