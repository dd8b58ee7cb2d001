"""A pipeline's data work on a Flink cluster of this machine: the results are the direct runner's, also when a TaskManager dies."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.components.evaluator.executor import Executor
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import json_utils, proto_utils

from pipelines.common.engines import checks, cluster
from pipelines.common.engines.options import Engine, beam_args
from pipelines.common.eval_config import eval_config
from pipelines.common.layout import load_model
from reporting.evaluation import read_evaluation
from tests.e2e.conftest import REPOSITORY
from tests.e2e.flink_job import KillOnce, write_sums

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
MODEL = "house_prices"
NUMBERS, KILLED_AT = 40, 25


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Iterator[Path]:
    """A root with a cluster under it; skips the tests without Java and Maven."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program}: Flink can't be installed and started without it")
    folder = tmp_path_factory.mktemp("flink")
    cluster.up(folder)
    yield folder
    assert cluster.down(folder)


def darsena(*arguments: object) -> dict:
    """What a command that succeeds answers with --json."""
    command = [sys.executable, "-m", "pipelines", *map(str, arguments), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=1000)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def records(root) -> dict[str, dict]:
    """The same run on both engines."""
    return {
        "direct": darsena("run", MODEL, "--root", root.parent / f"{root.name}-direct"),
        "flink": darsena("run", MODEL, "--root", root, "--beam", "flink"),
    }


def output(record: dict, node_id: str, name: str) -> Path:
    """Folder of a node's output."""
    return Path(next(node for node in record["nodes"] if node["id"] == node_id)["outputs"][name][0])


def files(folder: Path, pattern: str = "*") -> dict[str, bytes]:
    """Contents of the files under a folder, by their paths there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob(pattern) if path.is_file()}


def statistics(record: dict) -> dict[str, statistics_pb2.DatasetFeatureStatisticsList]:
    """Statistics by split, their features in the order of their names."""
    found = {}
    for name, content in files(output(record, "StatisticsGen", "statistics"), "FeatureStats.pb").items():
        found[name] = statistics_pb2.DatasetFeatureStatisticsList.FromString(content)
        found[name].datasets[0].features.sort(key=lambda feature: feature.path.step[0])
    return found


@pytest.mark.timeout(1800)
def test_a_run_pushes_on_either_engine_and_tells_which(records):
    for engine, record in records.items():
        assert record["verdict"] == "blessed and pushed"
        assert record["config"]["beam"]["engine"] == engine


def test_examples_and_statistics_are_identical(records):
    examples = {engine: files(output(record, "TableExampleGen", "examples"), "data_tfrecord*") for engine, record in records.items()}
    assert len(examples["direct"]) == 3 and examples["direct"] == examples["flink"]
    found = {engine: statistics(record) for engine, record in records.items()}
    assert found["direct"].keys() == found["flink"].keys() and len(found["direct"]) == 3
    for name, direct in found["direct"].items():
        assert direct == found["flink"][name]


def test_vocabularies_are_identical_and_features_equal(records):
    folders = {engine: output(record, "Transform", "transform_graph") for engine, record in records.items()}
    direct, flink = (files(folders[engine] / "transform_fn" / "assets") for engine in ("direct", "flink"))
    assert direct and direct == flink
    (path,) = (output(records["direct"], "TableExampleGen", "examples") / "Split-test").glob("data_tfrecord-00000-of-00001-*")
    test = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    features = {}
    for engine, folder in folders.items():
        transform = tft.TFTransformOutput(str(folder))
        made = transform.transform_features_layer()(tf.io.parse_example(test, transform.raw_feature_spec()))
        features[engine] = {name: tf.convert_to_tensor(value).numpy() for name, value in made.items()}
    assert features["direct"].keys() == features["flink"].keys() and len(features["direct"]) > 1
    for name, value in features["direct"].items():
        # A mean is a sum in another order: the last digit of a float32 may differ, which for latitudes is 2e-6 of their deviation.
        np.testing.assert_allclose(value, features["flink"][name], rtol=1e-6, atol=1e-5, err_msg=name)


def compared(evaluation: Path) -> dict[str, float]:
    """Metrics that two evaluations must share."""
    return {name: metric.value for name, metric in read_evaluation(evaluation).overall.metrics.items()}


def evaluated(record: dict, args: list[str], folder: Path) -> dict[str, float]:
    """What TFX's Evaluator measures of the model of a run, with Beam options of ours."""
    model, examples = standard_artifacts.Model(), standard_artifacts.Examples()
    model.uri, examples.uri = str(output(record, "Trainer", "model")), str(output(record, "TableExampleGen", "examples"))
    examples.split_names = artifact_utils.encode_split_names(["train", "validation", "test"])
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    evaluation, blessing = standard_artifacts.ModelEvaluation(), standard_artifacts.ModelBlessing()
    evaluation.uri, blessing.uri = str(folder / "evaluation"), str(folder / "blessing")
    config = eval_config(load_model(MODEL), "sample", with_baseline=False)
    settings = {
        "eval_config": proto_utils.proto_to_json(config),
        "example_splits": json_utils.dumps(["test"]),
        "fairness_indicator_thresholds": json_utils.dumps(None),
    }
    executor = Executor(Executor.Context(beam_pipeline_args=args, tmp_dir=str(folder), unique_id="1"))
    executor.Do({"model": [model], "examples": [examples]}, {"evaluation": [evaluation], "blessing": [blessing]}, settings)
    return compared(Path(evaluation.uri))


def test_an_evaluation_of_the_same_model_is_equal(records, root, tmp_path):
    direct = evaluated(records["direct"], beam_args(Engine()), tmp_path / "direct")
    flink = evaluated(records["direct"], beam_args(checks.checked(Engine("flink"), root)), tmp_path / "flink")
    assert direct.keys() == flink.keys() and len(direct) > 1
    for name, value in direct.items():
        assert flink[name] == pytest.approx(value, rel=1e-6, abs=1e-6), name


def test_metrics_of_the_runs_are_equal(records):
    """Of models that were trained on features which differ in the last digit."""
    direct, flink = (compared(output(records[engine], "Evaluator", "evaluation")) for engine in ("direct", "flink"))
    assert direct.keys() == flink.keys() and "root_mean_squared_error" in direct
    for name, value in direct.items():
        assert flink[name] == pytest.approx(value, rel=1e-5), name


def test_a_batch_answers_the_same(records, root, tmp_path):
    rows, answers = tmp_path / "rows.csv", {}
    sample = next((root / "data").rglob("*.csv")).read_text().splitlines()[:60]
    rows.write_text("\n".join(sample) + "\n")
    for engine, options in (("direct", []), ("flink", ["--beam", "flink"])):
        target = tmp_path / f"{engine}.csv"
        told = darsena("batch", MODEL, rows, target, "--root", root, "--part", 10, *options)
        assert (told["answers"], told["parts"]) == (len(sample) - 1, 6)
        answers[engine] = list(csv.reader(target.open()))
    assert answers["direct"] == answers["flink"]


def test_a_task_manager_that_is_killed_in_mid_job_changes_no_result(root, tmp_path):
    there = cluster.up(root)
    assert there.task_managers() == cluster.TASK_MANAGERS
    victim = next(process for process in there.processes if process.name == "TaskManager-1")
    args = beam_args(checks.checked(Engine("flink"), root))
    write_sums(NUMBERS, KillOnce(tmp_path, victim.pid, KILLED_AT), args)
    assert there.dead == ["TaskManager-1"]
    assert [int((tmp_path / f"sum-{odd}.txt").read_text()) for odd in (0, 1)] == [380, 400]
    asked = [int(line) for line in (tmp_path / "asked.txt").read_text().split()]
    assert set(asked) == set(range(NUMBERS)) and len(asked) > NUMBERS  # so what was lost was done again
    assert not cluster.up(root).dead
