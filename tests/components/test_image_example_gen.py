"""ImageExampleGen from raw files to TFRecords: what is written, and into which split."""

import collections
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.example_gen.driver import FileBasedDriver
from tfx.components.util import tfxio_utils
from tfx.types import artifact_utils, standard_artifacts
from tfx_bsl.tfxio import dataset_options

from components.content_splits import make_shards
from components.errors import DataRejected
from components.image_example_gen.component import ImageExampleGen
from components.image_example_gen.executor import Executor, read_images
from components.image_example_gen.readers import find_sources, load
from tests.components.raw_images import digits, write_idx, write_pictures

BEAM = ["--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner", "--sdk_container_image=unused"]
Example = tuple[bytes, int]


def run_executor(folder: Path, properties: dict[str, Any]) -> standard_artifacts.Examples:
    """Runs the executor as TFX does, and returns its output, which lies in the folder."""
    examples = standard_artifacts.Examples()
    examples.uri = str(folder)
    Executor(Executor.Context(beam_pipeline_args=list(BEAM), tmp_dir=str(folder))).Do({}, {"examples": [examples]}, properties)
    return examples


def generate(tmp_path: Path, folder: Path, pattern: str, **parameters: Any) -> standard_artifacts.Examples:
    """What the component makes of a folder."""
    component = ImageExampleGen(str(folder), pattern, **parameters)
    return run_executor(tmp_path / f"examples-{len(list(tmp_path.glob('examples-*')))}", component.exec_properties)


def read(examples: standard_artifacts.Examples) -> dict[str, list[tf.train.Example]]:
    """The tf.Examples of each split."""
    splits = {}
    for split in artifact_utils.decode_split_names(examples.split_names):
        files = sorted(Path(artifact_utils.get_split_uri([examples], split)).iterdir())
        batches = tf.data.TFRecordDataset([str(file) for file in files]).batch(10_000).as_numpy_iterator()
        splits[split] = [tf.train.Example.FromString(record) for batch in batches for record in batch]
    return splits


def image(example: tf.train.Example) -> bytes:
    """The pixels of an example."""
    return example.features.feature["image"].bytes_list.value[0]


def label(example: tf.train.Example) -> int:
    """The class of an example."""
    return example.features.feature["label"].int64_list.value[0]


def contents(examples: standard_artifacts.Examples) -> dict[str, collections.Counter[Example]]:
    """Pixels and labels of each split, with how often they occur."""
    return {split: collections.Counter((image(example), label(example)) for example in found) for split, found in read(examples).items()}


def pixels(split: collections.Counter[Example]) -> set[bytes]:
    """The different images of a split."""
    return {image for image, _ in split}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


def test_an_example_has_the_documented_features(tmp_path: Path, raw: Path) -> None:
    images, labels = digits(60)
    images[7] = np.arange(36).reshape(6, 6)
    np.savez(raw / "some.npz", x=images, y=labels)
    found = [example for split in read(generate(tmp_path, raw, "some.npz")).values() for example in split]
    (example,) = [example for example in found if image(example) == bytes(range(36))]
    feature = example.features.feature
    assert set(feature) == {"image", "image/height", "image/width", "image/channels", "image/brightness", "label"}
    assert [feature[f"image/{name}"].int64_list.value[0] for name in ("height", "width", "channels")] == [6, 6, 1]
    assert feature["label"].int64_list.value[0] == 7 % 3
    assert feature["image/brightness"].float_list.value[0] == pytest.approx(17.5 / 255, abs=1e-7)


def test_colour_images_are_written_row_by_row_with_their_channels(tmp_path: Path, raw: Path) -> None:
    images = np.random.default_rng(1).integers(0, 256, (40, 2, 5, 3), dtype=np.uint8)
    np.savez(raw / "some.npz", images=images, labels=np.zeros((40, 1), np.uint8))
    found = [example.features.feature for split in read(generate(tmp_path, raw, "*")).values() for example in split]
    assert {feature["image"].bytes_list.value[0] for feature in found} == {image.tobytes() for image in images}
    for name, size in (("height", 2), ("width", 5), ("channels", 3)):
        assert {feature[f"image/{name}"].int64_list.value[0] for feature in found} == {size}


def test_the_official_test_set_stays_whole_and_loses_its_copies_in_train(tmp_path: Path, raw: Path) -> None:
    train, train_labels = digits(300, seed=1)
    test, test_labels = digits(50, seed=2)
    train[10], train[20], train[21] = test[4], test[9], test[9]  # the last two with labels other than in test, too
    write_idx(raw, "train", train, train_labels)
    write_idx(raw, "t10k", test, test_labels)
    examples = generate(tmp_path, raw, "*")
    splits = contents(examples)
    assert splits["test"] == collections.Counter(zip(map(bytes, test), test_labels.tolist(), strict=True))
    kept = [row for row in range(300) if row not in (10, 20, 21)]
    assert splits["train"] + splits["validation"] == collections.Counter((bytes(train[row]), int(train_labels[row])) for row in kept)
    assert examples.get_int_custom_property("dropped_duplicates") == 3
    assert not pixels(splits["test"]) & (pixels(splits["train"]) | pixels(splits["validation"]))


def test_copies_land_in_one_split_even_with_other_labels(tmp_path: Path, raw: Path) -> None:
    images, labels = digits(200, seed=3)
    images = np.concatenate([images, images[:100], images[:100]])
    labels = np.concatenate([labels, labels[:100], labels[:100] + 1])
    np.savez(raw / "some.npz", x=images, y=labels)
    splits = contents(generate(tmp_path, raw, "*", validation_percent=30, test_percent=30))
    assert sum(sum(split.values()) for split in splits.values()) == 400
    assert min(len(pixels(split)) for split in splits.values()) > 30
    assert sum(len(pixels(split)) for split in splits.values()) == len(set().union(*map(pixels, splits.values()))) == 200


def test_order_format_and_channel_axis_do_not_change_the_splits(tmp_path: Path, raw: Path) -> None:
    images, labels = digits(120, seed=4)
    shuffled = np.random.default_rng(5).permutation(120)
    write_idx(raw, "train", images, labels, compress=False)
    for name in ("npz", "pictures"):
        (tmp_path / name).mkdir()
    np.savez(tmp_path / "npz/some.npz", x_train=images[shuffled][..., None], y_train=labels[shuffled])
    write_pictures(tmp_path / "pictures", images[shuffled], labels[shuffled])
    folders = {raw: "*", tmp_path / "npz": "*", tmp_path / "pictures": "*/*"}
    found = [contents(generate(tmp_path, folder, pattern)) for folder, pattern in folders.items()]
    assert found[0] == found[1] == found[2]
    assert found[0].keys() == {"train", "validation", "test"}


def test_the_official_test_set_of_pictures_and_npz_drops_the_same_copies(tmp_path: Path, raw: Path) -> None:
    images, labels = digits(100, seed=6)
    test, test_labels = np.concatenate([images[:5], digits(20, seed=7)[0]]), np.arange(25) % 3
    np.savez(raw / "some.npz", x_train=images, y_train=labels, x_test=test, y_test=test_labels)
    write_pictures(tmp_path / "pictures/train", images, labels)
    write_pictures(tmp_path / "pictures/test", test, test_labels)
    one, other = generate(tmp_path, raw, "*"), generate(tmp_path, tmp_path / "pictures", "*/*/*")
    assert contents(one) == contents(other)
    assert [examples.get_int_custom_property("dropped_duplicates") for examples in (one, other)] == [5, 5]


def test_the_shares_are_as_asked(tmp_path: Path, raw: Path) -> None:
    images, labels = digits(4000, seed=8)
    np.savez(raw / "some.npz", x=images, y=labels)
    sizes = {split: len(found) for split, found in read(generate(tmp_path, raw, "*")).items()}
    assert sum(sizes.values()) == 4000
    # Four standard deviations of a binomial draw are 76 of 400 and 101 of 800.
    assert abs(sizes["validation"] - 400) < 76
    assert abs(sizes["test"] - 800) < 101


def test_twice_the_same_gives_the_same_bytes_in_mixed_order(tmp_path: Path, raw: Path) -> None:
    images, _ = digits(300, seed=9)
    labels = np.repeat([0, 1, 2], 100)
    np.savez(raw / "some.npz", x=images, y=labels)
    examples = [generate(tmp_path, raw, "*") for _ in range(2)]
    first, second = ({path.relative_to(found.uri): path.read_bytes() for path in Path(found.uri).rglob("data*")} for found in examples)
    assert first == second
    names = [re.sub(r"-\d+$", "", str(path)) for path in first]
    assert sorted(names) == [f"Split-{split}/data_tfrecord-00000-of-00001" for split in ("test", "train", "validation")]
    written = list(map(label, read(examples[0])["train"]))
    assert np.count_nonzero(np.diff(written)) > 50  # sorted by class there would be two changes


def test_large_sources_are_cut_into_shards_that_cover_them(tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.content_splits.SHARD_EXAMPLES", 64)
    monkeypatch.setattr("components.image_example_gen.pictures.BLOCK_BYTES", 100 * 36)
    images, labels = digits(230, seed=10)
    write_pictures(raw, images, labels)
    shards = make_shards(find_sources(raw, "*/*"), read_images)
    assert [len(load(shard.source).labels) for shard in shards] == [77, 77, 77, 77, 76, 76]  # three blocks, two shards each
    splits = contents(generate(tmp_path, raw, "*/*"))
    assert sum(splits.values(), collections.Counter()) == collections.Counter(zip(map(bytes, images), labels.tolist(), strict=True))


def test_the_output_is_read_by_tfxio(tmp_path: Path, raw: Path) -> None:
    """What StatisticsGen, Transform and Evaluator read Examples with."""
    images, labels = digits(80, seed=11)
    np.savez(raw / "some.npz", x=images, y=labels)
    examples = generate(tmp_path, raw, "*")
    schema = text_format.Parse('feature { name: "label" type: INT } feature { name: "image" type: BYTES }', schema_pb2.Schema())
    source = tfxio_utils.get_tf_dataset_factory_from_artifact([examples], [])
    pattern = str(Path(artifact_utils.get_split_uri([examples], "train")) / "*")
    options = dataset_options.TensorFlowDatasetOptions(batch_size=100, num_epochs=1, shuffle=False)
    (batch,) = list(source([pattern], options, schema))
    received = zip(batch["image"].values.numpy().tolist(), batch["label"].values.numpy().tolist(), strict=True)
    assert collections.Counter(received) == contents(examples)["train"]
    assert examples.get_string_custom_property("payload_format") == "FORMAT_TF_EXAMPLE"


def test_tfx_own_driver_sees_files_in_class_folders_and_hands_on_the_pattern(raw: Path) -> None:
    write_pictures(raw, *digits(6))

    def resolve() -> dict[str, Any]:
        component = ImageExampleGen(str(raw), "*/*")
        return FileBasedDriver(None).resolve_exec_properties(dict(component.exec_properties), None, None)

    before = resolve()
    assert "num_files:6" in before["input_fingerprint"]
    assert json.loads(before["input_config"])["splits"][0]["pattern"] == "*/*"
    shutil.copy(raw / "0/0000.png", raw / "1/0009.png")
    assert "num_files:7" in resolve()["input_fingerprint"]
    (raw / "1/0009.png").write_bytes((raw / "1/0009.png").read_bytes() + b"\0")
    os.utime(raw / "1/0009.png", (0, 0))
    assert resolve()["input_fingerprint"] != before["input_fingerprint"]


def test_spans_are_taken_from_the_pattern(tmp_path: Path, raw: Path) -> None:
    for span, seed in ((1, 1), (2, 2)):
        (raw / f"day-{span}").mkdir()
        images, labels = digits(60, seed=seed)
        np.savez(raw / f"day-{span}/some.npz", x=images, y=labels)
    component = ImageExampleGen(str(raw), "day-{SPAN}/*")
    properties = FileBasedDriver(None).resolve_exec_properties(dict(component.exec_properties), None, None)
    assert properties["span"] == 2
    examples = run_executor(tmp_path / "examples", properties)
    assert set().union(*map(pixels, contents(examples).values())) == set(map(bytes, digits(60, seed=2)[0]))


def test_parameters_enter_the_cache_key() -> None:
    def key(**parameters: Any) -> str:
        return ImageExampleGen("/data", "*", **parameters).exec_properties["custom_config"]

    changes: list[dict[str, Any]] = [{}, {"code_fingerprint": "a"}, {"data_fingerprint": "a"}, {"class_names": "a"}, {"test_percent": 21}]
    assert len({key(**change) for change in changes}) == len(changes)
    assert key(class_names=["b", "a"]) == key(class_names=("b", "a"))


@pytest.mark.parametrize("shares", [(0, 20), (10, 0), (60, 40), (-1, 20)])
def test_shares_that_leave_a_split_empty_are_refused(shares: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="above 0 that sum to less than 100"):
        ImageExampleGen("/data", "*", validation_percent=shares[0], test_percent=shares[1])


def test_too_few_images_for_three_splits_are_rejected(tmp_path: Path, raw: Path) -> None:
    np.savez(raw / "some.npz", x=np.zeros((9, 4, 4), np.uint8), y=np.arange(9))
    with pytest.raises(DataRejected, match=r"received 9, which leaves \w+ and \w+ empty"):
        generate(tmp_path, raw, "*")


def test_memory_is_given_back_also_after_an_error(tmp_path: Path, raw: Path) -> None:
    np.savez(raw / "some.npz", x=np.zeros((9, 4, 4), np.uint8), y=np.arange(9))
    with pytest.raises(DataRejected):
        generate(tmp_path, raw, "*")
    assert load.cache_info().currsize == 0


def test_full_mnist_keeps_its_counts_and_its_splits_are_disjoint(tmp_path: Path, real_data: Path) -> None:
    examples = generate(tmp_path, real_data / "mnist", "*-ubyte.gz")
    splits = contents(examples)
    labels = {split: collections.Counter(digit for _, digit in found.elements()) for split, found in splits.items()}
    training = labels["train"] + labels["validation"]
    assert [training[digit] for digit in range(10)] == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert [labels["test"][digit] for digit in range(10)] == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert 5700 < sum(labels["validation"].values()) < 6300
    assert len(set().union(*map(pixels, splits.values()))) == 70_000 == sum(len(pixels(split)) for split in splits.values())
    assert examples.get_int_custom_property("dropped_duplicates") == 0
