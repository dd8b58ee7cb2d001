"""What every search space must be: each model's own test calls it."""

from types import ModuleType

import keras_tuner
from keras_tuner.engine import hyperparameters

from pipelines.common.config import ModelConfig


def check_search(module: ModuleType, model: ModelConfig) -> None:
    """A search sets only hyperparameters that the model has, and could come upon its defaults."""
    hp = keras_tuner.HyperParameters()
    first = module.search_space(hp)
    assert set(first) == {parameter.name for parameter in hp.space} <= set(model.hparams)
    for parameter in hp.space:
        default = model.hparams[parameter.name]
        if isinstance(parameter, hyperparameters.Choice):
            assert default in parameter.values, parameter.name
        else:
            assert parameter.min_value <= default <= parameter.max_value, parameter.name
