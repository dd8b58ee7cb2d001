"""EpisodeExampleGen from recorded episodes to tf.Examples: what a step becomes, what is refused, whole episodes, and spans."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tfx.components.example_gen.driver import FileBasedDriver
from tfx.orchestration import data_types
from tfx.types import standard_artifacts

from components.episode_example_gen import executor
from components.episode_example_gen.component import EpisodeExampleGen
from components.errors import DataRejected
from components.splits import SPLITS
from pipelines.common.config import Data
from pipelines.common.datasets.episodes import environment_data, span_pattern, write_span

BEAM = ["--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner", "--sdk_container_image=unused"]


def episodes(lengths: list[int], seed: int = 0) -> dict[str, np.ndarray]:
    """Made-up episodes of these lengths, of three numbers and an action of one."""
    random, total = np.random.default_rng(seed), sum(lengths)
    return {
        "observation": random.normal(size=(total, 3)).astype(np.float32),
        "action": random.normal(size=(total, 1)).astype(np.float32),
        "reward": random.normal(size=total).astype(np.float32),
        "next_observation": random.normal(size=(total, 3)).astype(np.float32),
        "terminated": random.random(total) < 0.1,
        "episode": np.repeat(np.arange(len(lengths)), lengths),
    }


def block(folder: Path, steps: dict[str, np.ndarray]) -> executor.EpisodeBlock:
    executor.read_episodes.cache_clear()
    return executor.read_episodes(executor.EpisodeSource(write_span(folder, steps)))


def features(record: bytes) -> dict:
    found = tf.train.Example.FromString(record).features.feature
    return {name: list(getattr(value, value.WhichOneof("kind")).value) for name, value in found.items()}


def test_steps_become_features(tmp_path):
    steps = episodes([2, 3])
    found = [features(record) for record in block(tmp_path, steps).serialize(np.arange(5))]
    assert [each["step"] for each in found] == [[0], [1], [0], [1], [2]]
    assert len({each["episode"][0] for each in found[:2]} | {each["episode"][0] for each in found[2:]}) == 2
    for row, each in enumerate(found):
        for name in ("observation", "next_observation", "action"):
            np.testing.assert_array_equal(np.float32(each[name]), steps[name][row])
        assert each["terminated"] == [int(steps["terminated"][row])] and np.float32(each["reward"]) == steps["reward"][row]


def test_bytes_stay_bytes_and_numbers_of_actions_integers(tmp_path):
    seen = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    steps = episodes([2]) | {"observation": seen, "next_observation": seen + 1, "action": np.array([3, 0])}
    found = [features(record) for record in block(tmp_path, steps).serialize(np.arange(2))]
    assert [each["observation"] for each in found] == [[seen[0].tobytes()], [seen[1].tobytes()]]
    assert [each["action"] for each in found] == [[3], [0]]


def test_an_episode_is_told_by_its_content_wherever_it_lies(tmp_path):
    steps = episodes([4, 6])
    turned = {name: np.concatenate([values[4:], values[:4]]) for name, values in steps.items()}
    first, second = block(tmp_path, steps).episode_digests, block(tmp_path, turned).episode_digests
    assert first == second[::-1]
    steps["reward"] = steps["reward"] + np.float32(1)
    assert not set(block(tmp_path, steps).episode_digests) & set(first)


def test_parts_have_whole_episodes(tmp_path):
    whole = block(tmp_path, episodes([2, 3, 4, 5, 6]))
    parts = [whole.part(offset, 2) for offset in range(2)]
    assert [len(part) for part in parts] == [2 + 4 + 6, 3 + 5]
    assert sorted(np.concatenate([part.chosen for part in parts])) == list(range(20))
    assert [features(record)["step"][0] for record in parts[1].serialize(np.arange(8))] == [0, 1, 2, 0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reward": None}, "reward lacking"),
        ({"reward": np.full(5, np.nan, np.float32)}, "expected finite numbers in reward of .* in step 0"),
        ({"episode": np.array([0, 0, 1, 1, 0])}, "the steps of an episode to follow one another"),
        ({"next_observation": np.zeros((5, 2), np.float32)}, "observation and next_observation of .* to be alike"),
        ({"action": np.zeros((4, 1), np.float32)}, r"expected action .* received float32 of shape \[4, 1\] for 5 rewards"),
        ({"observation": np.array([{}] * 5, object)}, "expected numbers in observation of .*, received pickled Python objects"),
    ],
)
def test_what_is_refused(tmp_path, change, said):
    steps = episodes([2, 3]) | change
    with pytest.raises(DataRejected, match=said):
        block(tmp_path, {name: values for name, values in steps.items() if values is not None})


def test_arrays_that_promise_more_than_the_file_holds_are_refused(tmp_path):
    """Before memory is taken for them."""
    np.savez(tmp_path / "a.npz", **episodes([2, 3]))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)})
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("more.npy", header.getvalue())
    with pytest.raises(DataRejected, match="expected 4398046511104 bytes in more of"):
        executor.read_episodes(executor.EpisodeSource(tmp_path / "a.npz"))


def run(folder: Path, pattern: str, out: Path) -> tuple[dict[str, list[dict]], int]:
    """Runs driver and executor as TFX does; returns the features by split, and the span."""
    component = EpisodeExampleGen(str(folder), pattern)
    found = FileBasedDriver(None).resolve_exec_properties(
        dict(component.exec_properties), data_types.PipelineInfo("", ""), data_types.ComponentInfo("", "", None)
    )
    examples = standard_artifacts.Examples()
    examples.uri = str(out)
    context = executor.Executor.Context(beam_pipeline_args=BEAM, tmp_dir=str(out / "tmp"), unique_id="1")
    executor.Executor(context).Do({}, {"examples": [examples]}, found)
    splits = {split: sorted((out / f"Split-{split}").iterdir()) for split in SPLITS}
    read = {split: tf.data.TFRecordDataset([str(file) for file in files]).as_numpy_iterator() for split, files in splits.items()}
    return {split: [features(record) for record in records] for split, records in read.items()}, found["span"]


def test_no_episode_is_in_two_splits_and_its_steps_are_in_order(tmp_path):
    random = np.random.default_rng(3)
    write_span(tmp_path / "data", episodes(random.integers(1, 9, 120).tolist()))
    found, span = run(tmp_path / "data", "span-{SPAN}/*", tmp_path / "examples")
    names = {split: {each["episode"][0] for each in rows} for split, rows in found.items()}
    assert all(names.values()) and sum(map(len, names.values())) == len(set().union(*names.values())) == 120
    assert 10 <= len(names["test"]) <= 40 and 8 <= len(names["validation"]) <= 32 and span == 1
    for rows in found.values():
        before = None
        for each in rows:
            assert each["step"] == ([before["step"][0] + 1] if before and each["episode"] == before["episode"] else [0])
            before = each


def test_the_latest_span_is_taken(tmp_path):
    for seed, count in ((1, 60), (2, 70)):
        write_span(tmp_path / "data", episodes([2] * count, seed))
    (tmp_path / "data" / "span-2").rename(tmp_path / "data" / "span-10")
    assert span_pattern(Data("path", tmp_path / "data", "*/*", class_names=("span-1", "span-10"))) == "span-{SPAN}/*"
    found, span = run(tmp_path / "data", "span-{SPAN}/*", tmp_path / "examples")
    assert span == 10 and sum(map(len, found.values())) == 140
    assert write_span(tmp_path / "data", episodes([1])).parent.name == "span-11"


def test_folders_that_are_no_spans_are_refused(tmp_path):
    with pytest.raises(DataRejected, match="in folders span-1, span-2, …, received monday"):
        span_pattern(Data("path", tmp_path, "*/*", class_names=("monday", "span-1")))
    assert span_pattern(Data("path", tmp_path, "*")) == "*"


def test_samples_are_the_same_each_time(tmp_path):
    dataset = environment_data("pendulum", "Pendulum-v1", "3 float32", 2)
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        dataset.write_sample(tmp_path / name)
        with np.load(tmp_path / name / "span-1" / "episodes.npz") as stored:
            found.append(dict(stored))
    assert set(found[0]) == set(executor.ARRAYS) and len(found[0]["reward"]) == 400
    for name, values in found[0].items():
        np.testing.assert_array_equal(values, found[1][name])
    assert not found[0]["terminated"].any() and np.abs(found[0]["action"]).max() > 1.9


def test_too_few_episodes_are_refused(tmp_path):
    write_span(tmp_path / "data", episodes([50]))
    with pytest.raises(DataRejected, match="expected enough steps of episodes for train, validation and test, received 50"):
        run(tmp_path / "data", "span-{SPAN}/*", tmp_path / "examples")
