"""From a model's gates, metrics and slices to TFMA's EvalConfig."""

from typing import Any

from tensorflow_model_analysis.proto import config_pb2

from pipelines.common.config import BINARY, MULTICLASS, Gate, ModelConfig

SIGNATURE = "serving_default"
# What the report draws the confusion matrix from.
CONFUSION = {
    MULTICLASS: config_pb2.MetricConfig(class_name="MultiClassConfusionMatrixPlot", config='{"num_thresholds": 1}'),
    BINARY: config_pb2.MetricConfig(class_name="ConfusionMatrixAtThresholds", config='{"thresholds": [0.5]}'),
}


def eval_config(model: ModelConfig, data_kind: str, with_baseline: bool) -> config_pb2.EvalConfig:
    """What the Evaluator computes and what it holds the model to.

    Args:
        model: its label, gates, metrics and slices.
        data_kind: "sample", "full" or "path": which bounds apply.
        with_baseline: whether there is a served model to compare with.

    Returns:
        Metrics overall and by slice with 95% confidence intervals; a value threshold for each gate and, with a baseline, a
        change threshold.
    """
    # TFMA wants names where there are two models, and TFX these two.
    name = "candidate" if with_baseline else ""
    specs = [config_pb2.ModelSpec(name=name, signature_name=SIGNATURE, label_key=model.label)]
    if with_baseline:
        specs.append(config_pb2.ModelSpec(name="baseline", signature_name=SIGNATURE, label_key=model.label, is_baseline=True))
    metrics = [
        metric(
            gate.metric,
            # On all examples only: TFMA would hold every slice to a plain `threshold`.
            per_slice_thresholds=[
                config_pb2.PerSliceMetricThreshold(
                    slicing_specs=[config_pb2.SlicingSpec()], threshold=threshold(gate, data_kind, with_baseline)
                )
            ],
        )
        for gate in model.gates
    ]
    metrics += [metric(name) for name in ("ExampleCount", *model.metrics)]
    if model.task in CONFUSION:
        metrics.append(CONFUSION[model.task])
    slices = [config_pb2.SlicingSpec(), *(config_pb2.SlicingSpec(feature_keys=[feature]) for feature in model.slices)]
    config = config_pb2.EvalConfig(model_specs=specs, metrics_specs=[config_pb2.MetricsSpec(metrics=metrics)], slicing_specs=slices)
    config.options.compute_confidence_intervals.value = True
    config.options.confidence_intervals.method = config_pb2.ConfidenceIntervalOptions.JACKKNIFE
    return config


def metric(name: str, **settings: Any) -> config_pb2.MetricConfig:
    """A metric of TFMA or Keras by its class's name, with thresholds perhaps."""
    if name == "MeanAbsoluteError":
        own = {"class_name": "AbsoluteError", "module": "components.absolute_error", "config": '{"name": "mean_absolute_error"}'}
        return config_pb2.MetricConfig(**own, **settings)
    return config_pb2.MetricConfig(class_name=name, **settings)


def threshold(gate: Gate, data_kind: str, with_baseline: bool) -> config_pb2.MetricThreshold:
    """The bound of a gate and, with a baseline, how much worse than it the candidate may be."""
    result = config_pb2.MetricThreshold()
    sign = 1 if gate.higher_is_better else -1
    bound = result.value_threshold.lower_bound if gate.higher_is_better else result.value_threshold.upper_bound
    bound.value = gate.bound(data_kind) - sign * gate.margin
    if with_baseline:
        change = result.change_threshold
        change.direction = (
            config_pb2.MetricDirection.HIGHER_IS_BETTER if gate.higher_is_better else config_pb2.MetricDirection.LOWER_IS_BETTER
        )
        change.absolute.value = -sign * (gate.tolerance + gate.margin)
    return result
