"""StatisticsGen's job for Dataflow, made and staged without a network."""

from pathlib import Path

import pytest
import tensorflow as tf
from tfx.components.statistics_gen.executor import Executor
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_artifacts

from pipelines.common.engines.dataflow import dry_run
from pipelines.common.engines.options import Engine
from pipelines.common.errors import UsageError

CLOUD = {"project": "my-project", "region": "europe-west1", "temp_location": "gs://bucket/tmp"}


def statistics_gen(folder: Path):
    """Does what TFX's StatisticsGen does with a file of examples, on the pipeline that it is given."""
    examples, statistics = standard_artifacts.Examples(), standard_artifacts.ExampleStatistics()
    examples.uri, statistics.uri = str(folder / "examples"), str(folder / "statistics")
    examples.split_names = artifact_utils.encode_split_names(["train"])
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    (folder / "examples/Split-train").mkdir(parents=True)
    example = tf.train.Example(features=tf.train.Features(feature={"x": tf.train.Feature(float_list=tf.train.FloatList(value=[1.0]))}))
    with tf.io.TFRecordWriter(str(folder / "examples/Split-train/data_tfrecord-00000-of-00001.gz"), "GZIP") as writer:
        writer.write(example.SerializeToString())

    def build(make):
        context = Executor.Context(make_beam_pipeline_fn=make, tmp_dir=str(folder / "tmp"), unique_id="1")
        Executor(context).Do({"examples": [examples]}, {"statistics": [statistics]}, {"exclude_splits": "[]"})

    return build


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch):
    """No look for Google's credentials, which would ask the network for them."""
    monkeypatch.setenv("NO_GCE_CHECK", "true")


def test_a_job_in_an_image_has_the_steps_of_the_statistics_and_packs_no_code(tmp_path):
    plan = dry_run(Engine("dataflow", **CLOUD, container_image="registry/darsena:1"), statistics_gen(tmp_path))
    assert plan.image == "registry/darsena:1"
    assert any("GenerateStatistics[train]" in step for step in plan.steps) and any("Write" in step for step in plan.steps)
    assert "workflow.tar.gz" not in plan.packages


def test_a_job_with_a_setup_py_stages_what_it_packs(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "setup.py").write_text("from setuptools import setup\nsetup(name='darsena', version='1', py_modules=['module'])\n")
    (package / "module.py").write_text("NUMBER = 1\n")
    plan = dry_run(Engine("dataflow", **CLOUD, setup_file=str(package / "setup.py")), statistics_gen(tmp_path))
    assert "workflow.tar.gz" in plan.packages


def test_options_that_are_missing_are_told_first(tmp_path):
    with pytest.raises(UsageError, match="--beam-option project=my-project"):
        dry_run(Engine("dataflow"), statistics_gen(tmp_path))
