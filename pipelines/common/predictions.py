"""What a model's outputs say of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipelines.common.config import BINARY

if TYPE_CHECKING:
    import numpy as np


def class_scores(outputs: Mapping[str, np.ndarray], classes: int, task: str) -> np.ndarray | None:
    """The output with a value for each class.

    Args:
        outputs: of a model by name, [N, …].
        classes: how many there are.
        task: of the model.

    Returns:
        [N, classes]; of a binary model, made of its one probability. None where no output has that shape.
    """
    import numpy as np

    for values in outputs.values():
        if classes and values.ndim == 2 and values.shape[1] == classes:
            return values
        if classes and task == BINARY and values.ndim == 2 and values.shape[1] == 1:
            return np.hstack([1 - values, values])
    return None
