"""Hyperparameter search with KerasTuner, for the Tuner component."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner
import tensorflow_transform as tft

from trainer_modules.common.input_data import load_rows
from trainer_modules.common.training import BuildModel, Initialise, fit

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs
    from tfx.components.tuner.component import TunerFnResult

SearchSpace = Callable[[keras_tuner.HyperParameters], dict[str, Any]]


class DefaultsFirst(keras_tuner.oracles.RandomSearchOracle):
    """Random search that begins with the defaults, so that what it finds is at least as good on the validation split.

    Args:
        defaults: the hyperparameters' defaults by name; those that are not searched are left out of account.
        **kwargs: of keras_tuner's oracle.
    """

    def __init__(self, defaults: Mapping[str, Any], **kwargs: Any):
        self._defaults = defaults
        super().__init__(**kwargs)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The values of a trial, as KerasTuner asks for them."""
        if int(trial_id) == 0:
            return {"status": "RUNNING", "values": {parameter.name: self._defaults[parameter.name] for parameter in self.get_space().space}}
        populated: dict[str, Any] = super().populate_space(trial_id)
        return populated


class Search(keras_tuner.Tuner):
    """A search whose trials train exactly as the Trainer does, and which fails when no trial completes.

    Args:
        train_trial: from a trial's hyperparameters to the history of its metrics, one value per epoch.
        **kwargs: of keras_tuner.Tuner.
    """

    def __init__(self, train_trial: Callable[[keras_tuner.HyperParameters], dict[str, list[float]]], **kwargs: Any):
        self._train_trial = train_trial
        super().__init__(**kwargs)

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
        """Trains one trial; returns the objective after its last epoch, whose weights are those that the Trainer would export."""
        return self._train_trial(trial.hyperparameters)[self.oracle.objective.name][-1]

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Runs all trials.

        Raises:
            RuntimeError: no trial completed (KerasTuner itself would report a success).
        """
        super().search(*fit_args, **fit_kwargs)
        trials = list(self.oracle.trials.values())
        if not any(trial.status == "COMPLETED" for trial in trials):
            last = str(trials[-1].message or "").strip().splitlines()[-1:] if trials else []
            raise RuntimeError(
                f"expected at least one trial of the search to complete, none of {len(trials)} did; "
                f"the last said: {' '.join(last) or 'nothing'}. Check the search space and the metric it is scored by."
            )


def random_search(
    fn_args: FnArgs,
    build_model: BuildModel,
    search_space: SearchSpace,
    label: str,
    objective: str,
    initialise: Initialise | None = None,
) -> TunerFnResult:
    """What a model's tuner_fn does: random search over its space, on the training split, scored on the validation split.

    Args:
        fn_args: of TFX's Tuner; custom_config holds `hparams` (the values that are not searched), `seed`, `strategy` and `trials`.
        build_model: makes the compiled model from hyperparameters.
        search_space: registers the searched hyperparameters and returns a trial's values.
        label: name of the label among the transformed features.
        objective: a metric of the training history, e.g. "val_accuracy".
        initialise: gives each new model weights that it is to start from, as the Trainer does.

    Returns:
        What TFX's Tuner runs.
    """
    from tfx.components.tuner.component import TunerFnResult

    config = fn_args.custom_config
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    train = load_rows(fn_args.train_files, transform, label)
    validation = load_rows(fn_args.eval_files, transform, label)

    def train_trial(hp: keras_tuner.HyperParameters) -> dict[str, list[float]]:
        hparams = dict(config["hparams"]) | search_space(hp)
        _, history = fit(build_model, hparams, train, validation, seed=config["seed"], strategy=config["strategy"], initialise=initialise)
        metrics: dict[str, list[float]] = history["metrics"]
        return metrics

    def hypermodel(hp: keras_tuner.HyperParameters) -> keras.Model:
        return build_model(dict(config["hparams"]) | search_space(hp))

    direction = "min" if objective.endswith("loss") else "max"
    oracle = DefaultsFirst(
        config["hparams"], objective=keras_tuner.Objective(objective, direction), max_trials=config["trials"], seed=config["seed"]
    )
    search = Search(train_trial, oracle=oracle, hypermodel=hypermodel, directory=fn_args.working_dir, project_name="search", overwrite=True)
    return TunerFnResult(tuner=search, fit_kwargs={})
