"""Tuner: TFX's own, whose output `tuner_results` also holds the record of the search."""

from tfx.components.tuner.component import Tuner as TfxTuner
from tfx.dsl.components.base import executor_spec

from components.tuner.executor import Executor


class Tuner(TfxTuner):
    """Searches hyperparameters with the tuner that `tuner_fn` makes; arguments and outputs are those of TFX's Tuner.

    `tuner_results` holds `tuner_results.json`, the completed trials, as TFX writes it, and `search.json`, what the tuner itself
    recorded: all trials with their times and what failed, and whatever the search was based on (docs/architecture.md).
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
