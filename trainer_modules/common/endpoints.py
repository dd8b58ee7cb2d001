"""Signatures beside those that every model has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from trainer_modules.common.signatures import Endpoints, Serving, Tensors, answers, named


def parts(outputs: Mapping[str, Sequence[str]]) -> Endpoints:
    """Signatures that take what `raw` takes, and answer with some of the model's outputs only.

    Args:
        outputs: names of outputs by signature; none for all of them.
    """

    def endpoints(model: keras.Model, serving: Serving, class_names: Sequence[str]) -> dict[str, Any]:
        def signature(wanted: Sequence[str]) -> Any:
            def answer(decoded: Tensors) -> dict[str, tf.Tensor]:
                found = answers(model, serving.transform(decoded))
                return {name: found[name] for name in wanted or found}

            return named(answer, serving.signature)

        return {name: signature(wanted) for name, wanted in outputs.items()}

    return endpoints
