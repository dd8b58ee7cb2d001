"""What TFX's Trainer gives a run_fn, made from a case of the contract."""

import importlib
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from tests.contract import Case
from tests.transform_fixture import analyse


def function(path: str) -> Callable:
    """The function of a dotted path."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def prepared(case: Case, folder: Path) -> dict[str, object]:
    """Files of a case's examples and transform graph, as the arguments of a Trainer that name them."""
    analyse(case.module.preprocessing_fn, case.schema, case.examples, folder / "transform")
    (folder / "schema.pbtxt").write_text(case.schema)
    with tf.io.TFRecordWriter(str(folder / "examples")) as writer:
        for example in case.examples:
            writer.write(example)
    files = [str(folder / "examples")]
    return {
        "train_files": files,
        "eval_files": files,
        "transform_output": str(folder / "transform"),
        "schema_path": str(folder / "schema.pbtxt"),
        "hyperparameters": None,
    }


def fn_args(files: dict[str, object], out: Path, config: dict[str, object]) -> types.SimpleNamespace:
    """The arguments of a Trainer whose outputs lie under `out`."""
    return types.SimpleNamespace(
        **files, serving_model_dir=str(out / "Format-Serving"), model_run_dir=str(out / "run"), custom_config=config
    )


def weights(out: Path) -> list[np.ndarray]:
    """The variables of what a Trainer left under `out`."""
    return variables(out / "Format-Serving")


def variables(saved_model: Path) -> list[np.ndarray]:
    """The variables of a SavedModel by their shapes and sums: Keras names them in the order of a set."""
    reader = tf.train.load_checkpoint(str(saved_model / "variables/variables"))
    found = [reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if name.endswith("VARIABLE_VALUE")]
    return sorted(found, key=lambda values: (values.shape, str(values.dtype), float(np.sum(values))))
