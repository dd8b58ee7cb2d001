"""`ModelConfig` says what a pipeline makes, `RunConfig` says where and how one run of it takes place.

Nothing here imports TensorFlow, so that listing and explaining models stays instant.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipelines.common.databases import Database
from pipelines.common.datasets.definition import DataSet
from pipelines.common.engines.options import DIRECT, Engine
from pipelines.common.errors import UsageError
from pipelines.common.hyperparameters import overridden, suggestion


@dataclasses.dataclass(frozen=True)
class Gate:
    """A bound that the Evaluator holds a metric to before a model is blessed.

    Attributes:
        metric: TFMA's name of the metric, e.g. "SparseCategoricalAccuracy".
        sample: the bound on the embedded sample, and on a user's own data.
        full: the bound on the full data.
        higher_is_better: whether the bound is a floor or a ceiling.
        tolerance: how much worse than the model that is served now the candidate may be.
    """

    metric: str
    sample: float
    full: float
    higher_is_better: bool = True
    tolerance: float = 0.0

    @property
    def key(self) -> str:
        """The metric's name among results: SparseCategoricalAccuracy is sparse_categorical_accuracy."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.metric).lower()

    @property
    def margin(self) -> float:
        """TFMA's metrics are float32: a value exactly at its bound may come out this much on the wrong side of it."""
        return 1e-6 * max(1.0, abs(self.sample), abs(self.full))

    def bound(self, data_kind: str) -> float:
        """The bound for "sample", "full" or "path" data."""
        return self.full if data_kind == "full" else self.sample


@dataclasses.dataclass(frozen=True)
class Preset:
    """A named variant of a model, for `--preset`.

    Attributes:
        description: one line for `darsena run MODEL --help`.
        hparams: hyperparameters that differ from the model's defaults.
        reference: the published figure to match, where it is not the model's.
        gates: bounds, where they are not the model's.
        data: the raw data, where it is not the model's.
        schema: the name of its curated schema, without .pbtxt, in the folder of the model's.
        export_bounds: as the model's, instead of them; None for the model's own.
        export_formats: as the model's, where these differ.
    """

    description: str
    hparams: Mapping[str, Any]
    reference: str = ""
    gates: tuple[Gate, ...] = ()
    data: DataSet | None = None
    schema: str = ""
    export_bounds: Mapping[str, float] | None = None
    export_formats: tuple[str, ...] = ()


FORMATS = ("float32", "float16", "dynamic", "int8")
MULTICLASS, BINARY, REGRESSION, OWN = "multiclass", "binary", "regression", "own"


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What a pipeline makes; one per module in `pipelines/`, as its `MODEL`.

    Attributes:
        name: of the module here, of the trainer module and of the schema folder.
        learns: one line for `darsena list`.
        data: the raw data.
        reference: the published figure to match, one line.
        label: the feature that holds the label.
        hparams: hyperparameters and their defaults; `--set` takes these names only, with values of the same type.
        gates: bounds on metrics; all must hold.
        metrics: further TFMA metrics to compute and report.
        slices: features to report the metrics by, besides overall.
        task: what the model's one output is: "multiclass" (probabilities [N, classes]), "binary" (probability of the second of two
            classes, [N, 1]), "regression" (a number [N, 1]) or "own", for which TFMA has no metrics: the trainer module's evaluate_fn
            measures the model (see components/custom_evaluator), and gates are on the figures that it returns.
        class_names: names of the classes in the order of the model's outputs. A classifier without them takes its classes from the
            data: the names of the folders of images, in alphabetical order.
        presets: variants by name.
        transform_hparams: names of the hyperparameters that preprocessing_fn takes, as custom_config["hparams"].
        prepare: completes a run's hyperparameters and data, before it begins, with what has to be found, e.g. a file of weights.
        export_bounds: how far TFLite exports may be from the trained model, where not as the exporter has it (its bounds.py names them).
        export_formats: TFLite formats that the model has; its pipeline's file says why it leaves one out.
        schema: name of the file of the curated schema, without .pbtxt; a preset with data of its own names another.
        version: raised when the meaning of the model's inputs or outputs changes.
    """

    name: str
    learns: str
    data: DataSet
    reference: str
    label: str
    hparams: Mapping[str, Any]
    gates: tuple[Gate, ...]
    metrics: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    task: str = MULTICLASS
    class_names: tuple[str, ...] = ()
    presets: Mapping[str, Preset] = dataclasses.field(default_factory=dict)
    transform_hparams: tuple[str, ...] = ()
    prepare: Callable[[Mapping[str, Any], Data], tuple[dict[str, Any], Data]] | None = None
    export_bounds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    export_formats: tuple[str, ...] = FORMATS
    schema: str = "schema"
    version: int = 1

    def with_preset(self, name: str) -> ModelConfig:
        """The model as a preset has it; the model itself for "".

        Raises:
            UsageError: there is no such preset; the message suggests one.
        """
        if not name:
            return self
        if name not in self.presets:
            known = suggestion(name, list(self.presets)) if self.presets else "It has none."
            raise UsageError(f"{self.name} has no preset {name!r}. {known}")
        preset = self.presets[name]
        return dataclasses.replace(
            self,
            hparams={**self.hparams, **preset.hparams},
            reference=preset.reference or self.reference,
            gates=preset.gates or self.gates,
            data=preset.data or self.data,
            schema=preset.schema or self.schema,
            export_bounds=self.export_bounds if preset.export_bounds is None else preset.export_bounds,
            export_formats=preset.export_formats or self.export_formats,
        )

    def for_run(self, run: RunConfig) -> ModelConfig:
        """The model with what a run decides: its preset's bounds, and the classes of its data where the model names none."""
        model = self.with_preset(run.preset)
        if model.task == REGRESSION or model.class_names:
            return model
        return dataclasses.replace(model, class_names=run.data.class_names)

    @property
    def gating_metrics(self) -> dict[str, bool]:
        """Metrics of its gates that answers and labels are enough for, with whether more is better; none where it measures itself."""
        return {} if self.task == OWN else {gate.metric: gate.higher_is_better for gate in self.gates}

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes that its label tells apart; none where the label is a number, or there is none."""
        return () if self.task in (REGRESSION, OWN) else self.class_names

    @property
    def trainer_module(self) -> str:
        """Dotted path of the module with preprocessing_fn, build_model, run_fn and tuner_fn."""
        return f"trainer_modules.{self.name}"

    @property
    def schema_dir(self) -> Path:
        """Folder of the curated schemas."""
        return Path(__file__).resolve().parents[2] / "schemas" / self.name

    @property
    def schema_path(self) -> Path:
        """The curated schema."""
        return self.schema_dir / f"{self.schema}.pbtxt"

    def with_overrides(self, overrides: Mapping[str, str]) -> dict[str, Any]:
        """The hyperparameters with `name=value` overrides applied.

        Args:
            overrides: names and values as typed.

        Returns:
            All hyperparameters, the overridden ones converted to the type of their default.

        Raises:
            UsageError: a name is unknown, or a value is not of the default's type or out of bounds.
        """
        return overridden(self.name, self.hparams, overrides)


@dataclasses.dataclass(frozen=True)
class Data:
    """The raw data of one run: files of raw inputs that are there, and what they are.

    Attributes:
        kind: "sample", "full" or "path" (the user's own).
        path: a folder.
        pattern: glob, relative to `path`, of the files that are read.
        note: what to say beside every figure on it, e.g. that it is a copy that differs from the original.
        class_names: names of the classes that its folders have, for a model that takes its classes from the data.
        version: stands for its content where that can't be read, as of data in a cloud.
    """

    kind: str
    path: Path
    pattern: str
    note: str = ""
    class_names: tuple[str, ...] = ()
    version: str = ""


@dataclasses.dataclass(frozen=True)
class Baseline:
    """The model that is served now, which a candidate must not be worse than.

    Attributes:
        version: of the release.
        model_uri: of the Trainer's Model artifact it was pushed from.
        recipe: fingerprint of everything that went into it.
    """

    version: int
    model_uri: str
    recipe: str


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Where and how one run takes place.

    Attributes:
        root: the folder that holds everything runs leave behind (see docs/architecture.md for its layout).
        data: the raw data.
        hparams: every hyperparameter of the model.
        seed: of all pseudo-random choices of the run.
        runner: "local" (one component after the other) or "beam" (TFX's Beam orchestrator).
        engine: what the components' data work runs on, checked.
        strategy: name of the tf.distribute strategy, see trainer_modules/common/strategies.py.
        workers: processes that train together under "multiworker"; 0 for none.
        train_on: the job of those on machines of their own, see trainer_modules/common/jobs.py; empty for this machine.
        precision, scale_batch: see trainer_modules/common/precision.py, and `strategies.scaled`.
        preset: name of the model's preset; its hyperparameters are in `hparams` already.
        tune, trials, parallel_trials, time_limit: whether to search first, with at most how many trials, so many at a time, and for how
            many seconds (0 for no limit).
        bless: why to push a model that the Evaluator does not bless; empty for not to.
        cache: whether components may be answered by an earlier run.
        baseline: the model that is served now, if any.
        metadata: database of ML Metadata; None for a file under the root.
        endpoint: of Vertex AI, that is to serve what is pushed (JSON, see components/vertex_endpoint/settings.py); empty for none.
    """

    root: Path
    data: Data
    hparams: Mapping[str, Any]
    seed: int = 42
    runner: str = "local"
    engine: Engine = DIRECT
    strategy: str = "auto"
    workers: int = 0
    train_on: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    precision: str = "float32"
    scale_batch: bool = False
    preset: str = ""
    tune: bool = False
    trials: int = 5
    parallel_trials: int = 1
    time_limit: float = 0
    bless: str = ""
    cache: bool = True
    baseline: Baseline | None = None
    metadata: Database | None = None
    endpoint: str = ""
