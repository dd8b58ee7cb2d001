"""The precision of a training's arithmetic. Weights are float32 whatever it is, and so is what is exported."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from trainer_modules.common.strategies import PRECISIONS


def use(name: str) -> None:
    """Has models that are built from now on calculate in that precision, but for layers with a dtype of their own.

    Args:
        name: "float32"; "bfloat16" (TPUs, newer GPUs and CPUs); or "float16" (GPUs), whose losses are scaled, since its small gradients
            would be 0 (P. Micikevicius et al., "Mixed Precision Training", 2018).

    Raises:
        ValueError: the name is unknown.
    """
    if name not in PRECISIONS:
        raise ValueError(f"there is no precision {name!r}. Known: {', '.join(PRECISIONS)}.")
    keras.config.set_dtype_policy(PRECISIONS[name])


def optimizer(inner: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """An optimizer for the precision in use, where there is no `compile` to see to it; scale losses by its `scale_loss`."""
    half = keras.config.dtype_policy().compute_dtype == "float16"
    return keras.optimizers.LossScaleOptimizer(inner) if half else inner


def check_outputs(model: keras.Model) -> None:
    """Refuses a model whose answers are not float32: they would be as coarse as its arithmetic, and the loss too.

    Raises:
        ValueError: there is such an output.
    """
    coarse = [name for name, each in zip(model.output_names, model.outputs, strict=True) if each.dtype in ("float16", "bfloat16")]
    if coarse:
        raise ValueError(f"expected float32 outputs, received others of {', '.join(coarse)}: give their layers dtype='float32'.")


def check_refused(what: str) -> None:
    """Refuses another precision than float32.

    Args:
        what: is learned in it only, for the message.

    Raises:
        ValueError: another one is in use.
    """
    used = keras.config.dtype_policy().compute_dtype
    if used != "float32":
        raise ValueError(f"expected --precision float32 for {what}, received {used}.")


def largest_difference(expected: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> float:
    """Between answers by output name, relative to those above 1."""
    return max(float(np.max(np.abs(found[name] - values) / np.maximum(1.0, np.abs(values)))) for name, values in expected.items())
