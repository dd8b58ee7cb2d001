"""Search for hyperparameters with KerasTuner, for the Tuner component: training, preparation of the data and architecture alike."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner
import tensorflow_transform as tft

from trainer_modules.common import precision, trials
from trainer_modules.common.input_data import Rows, load_rows
from trainer_modules.common.oracle import Oracle
from trainer_modules.common.strategies import for_replicas
from trainer_modules.common.training import BuildModel, Fit, Initialise, fit
from trainer_modules.common.trials import Metrics, TrainTrial

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs
    from tfx.components.tuner.component import TunerFnResult

SearchSpace = Callable[[keras_tuner.HyperParameters], dict[str, Any]]
Ranking = Sequence[tuple[str, float]]
Rank = Callable[[Rows, int], Ranking]

RECORD = "search.json"
FEATURES, ALL = "features", "all"
# Shares of the ranked columns that a search may keep.
KEPT = (0.75, 0.5, 0.25)
# Words in the name of a metric that is better the lower it is.
ERRORS = {"loss", "error", "rmse", "mse", "mae", "crossentropy"}


class Search(keras_tuner.Tuner):
    """A search whose trials train exactly as the Trainer does, and which fails when no trial completes.

    Args:
        train_trial: from a trial's hyperparameters to the history of its metrics, one value per epoch.
        ranking: of columns, kept in the record.
        parallel: how many trials at a time. They begin together, and the next ones when all of them have ended: so the same seed makes
            the same search, whichever ends first.
        trainer: as trials.trainer, gives what trains instead while the search lasts.
        **kwargs: of keras_tuner.Tuner.
    """

    def __init__(
        self,
        train_trial: TrainTrial,
        ranking: Ranking = (),
        parallel: int = 1,
        trainer: Callable[[TrainTrial], AbstractContextManager[TrainTrial]] = contextlib.nullcontext,
        **kwargs: Any,
    ):
        self.train_trial, self._ranking = train_trial, ranking
        self._parallel, self._trainer = parallel, trainer
        self._training: dict[str, Callable[[], Metrics]] = {}
        self._seconds: dict[str, float] = {}
        super().__init__(**kwargs)

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
        """Trains one trial; returns the objective after its last epoch, whose weights are those that the Trainer would export.

        Raises:
            ValueError: the objective is not among the metrics, or no finite number.
        """
        objective = self.oracle.objective.name
        metrics = self._training.pop(trial.trial_id)()
        if objective not in metrics:
            raise ValueError(f"expected the metric {objective} in the training history, received {', '.join(metrics)}.")
        score = metrics[objective][-1]
        if not math.isfinite(score):
            raise ValueError(f"expected {objective} to be a finite number, received {score}: the training diverged.")
        return score

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Runs all trials, or as many as the time allows, and writes the record into the project's folder.

        Raises:
            RuntimeError: no trial completed (KerasTuner itself would report a success).
        """
        started = time.perf_counter()
        with ThreadPoolExecutor(self._parallel) as threads, self._trainer(self.train_trial) as train_trial:
            while begun := self._begun():
                for trial in begun:
                    train = functools.partial(self._timed, train_trial, trial)
                    # One at a time trains in this thread, which is the one that Ctrl-C reaches.
                    self._training[trial.trial_id] = threads.submit(train).result if self._parallel > 1 else train
                for trial in begun:
                    self._try_run_and_update_trial(trial)
                    self.on_trial_end(trial)
        self._write_record(started)

    def _begun(self) -> list[Any]:
        """The next trials, at most so many as train at a time; none at the end of the search."""
        trials = []
        for slot in range(self._parallel):
            trial = self.oracle.create_trial(f"{self.tuner_id}-{slot}")
            if trial.status == "STOPPED":
                break
            self.on_trial_begin(trial)
            trials.append(trial)
        return trials

    def _timed(self, train_trial: TrainTrial, trial: Any) -> Metrics:
        """Trains a trial, and notes how long it took."""
        started = time.perf_counter()
        try:
            return train_trial(trial.hyperparameters)
        finally:
            self._seconds[trial.trial_id] = round(time.perf_counter() - started, 2)

    def _write_record(self, started: float) -> None:
        """See `search`."""
        trials = self.trials()
        if not any(trial["status"] == "completed" for trial in trials):
            reason = trials[-1]["reason"] if trials else ""
            raise RuntimeError(
                f"expected at least one trial of the search to complete, none of {len(trials)} did; "
                f"the last said: {reason or 'nothing'}. Check the search space and the metric it is scored by."
            )
        record = {
            "objective": self.oracle.objective.name,
            "direction": self.oracle.objective.direction,
            "asked": self.oracle.max_trials,
            "seconds": round(time.perf_counter() - started, 2),
            "trials": trials,
            "ranking": [{"column": column, "mutual_information": value} for column, value in self._ranking],
        }
        Path(self.project_dir, RECORD).write_text(json.dumps(record, indent=1))

    def trials(self) -> list[dict[str, Any]]:
        """The trials in the order they were made: `status` ("completed" or "failed"), `score`, `seconds`, `reason`, `hparams`."""
        return [
            {
                "status": "completed" if trial.status == "COMPLETED" else "failed",
                "score": trial.score if trial.status == "COMPLETED" else None,
                "seconds": self._seconds.get(trial.trial_id),
                "reason": " ".join(str(trial.message or "").strip().splitlines()[-1:]),
                "hparams": dict(trial.hyperparameters.values),
            }
            for trial in (self.oracle.trials[trial_id] for trial_id in self.oracle.start_order)
        ]


def search(
    fn_args: FnArgs,
    build_model: BuildModel,
    search_space: SearchSpace,
    label: str,
    objective: str,
    *,
    guided: bool = True,
    rank: Rank | None = None,
    initialise: Initialise | None = None,
    learn: Fit | None = None,
    dtypes: Mapping[str, str] | None = None,
) -> TunerFnResult:
    """What a model's tuner_fn does: searches its space, training on the training split and scoring on the validation split.

    Args:
        fn_args: of TFX's Tuner; custom_config holds `hparams` (the values that are not searched, and the first trial's), `seed`,
            `strategy`, perhaps `precision` and `scale_batch` (as training.run takes them), `trials` (at most so many), `time_limit`
            (seconds after which none begins; 0 for no limit), and what trials.trainer takes.
        build_model: makes the compiled model from hyperparameters.
        search_space: registers the searched hyperparameters and returns a trial's values.
        label: name of the label among the transformed features.
        objective: a metric of the training history, e.g. "val_accuracy".
        guided: whether earlier trials choose later ones; else all are random.
        rank: from training rows and a seed to columns with their mutual information with the label, largest first. With it, the
            hyperparameter `features` is searched too: all columns, or those that lead the ranking.
        initialise: as training.run takes it.
        learn: as training.run takes it.
        dtypes: as training.run takes them.

    Returns:
        What TFX's Tuner runs.
    """
    from tfx.components.tuner.component import TunerFnResult

    config = fn_args.custom_config
    precision.use(config.get("precision", "float32"))
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    train = load_rows(fn_args.train_files, transform, label, dtypes)
    validation = load_rows(fn_args.eval_files, transform, label, dtypes)
    ranking = rank(train, config["seed"]) if rank else ()
    lists = feature_lists([column for column, _ in ranking])

    def values(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        chosen = {FEATURES: hp.Choice(FEATURES, lists)} if len(lists) > 1 else {}
        return for_replicas(config, dict(config["hparams"]) | search_space(hp) | chosen)

    def train_trial(hp: keras_tuner.HyperParameters) -> Metrics:
        try:
            _, history = (learn or fit)(
                build_model, values(hp), train, validation, seed=config["seed"], strategy=config["strategy"], initialise=initialise
            )
        finally:
            keras.backend.clear_session()
        metrics: Metrics = history["metrics"]
        return metrics

    space = keras_tuner.HyperParameters()
    values(space)
    oracle = Oracle(
        config["hparams"],
        space,
        guided=guided,
        time_limit=config["time_limit"],
        objective=keras_tuner.Objective(objective, direction(objective)),
        max_trials=config["trials"],
        seed=config["seed"],
    )
    found = Search(
        train_trial,
        ranking,
        config.get("parallel_trials", 1),
        functools.partial(trials.trainer, fn_args),
        oracle=oracle,
        directory=fn_args.working_dir,
        project_name="search",
        overwrite=True,
    )
    return TunerFnResult(tuner=found, fit_kwargs={})


def direction(objective: str) -> str:
    """ "min" for a metric that is a loss or an error by its name, e.g. "val_rmse"; else "max"."""
    return "min" if ERRORS & set(re.split(r"[^a-z]+", objective.lower())) else "max"


def feature_lists(ranked: Sequence[str]) -> list[str]:
    """What the hyperparameter `features` may be: all columns, or those that lead a ranking, separated by commas."""
    counts = dict.fromkeys(math.ceil(share * len(ranked)) for share in KEPT)
    return [ALL, *(",".join(ranked[:count]) for count in counts if 0 < count < len(ranked))]
