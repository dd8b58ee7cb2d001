"""Shared training code: batches, determinism, strategies."""

import json
import socket

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer_modules.common import input_data, progress, training
from trainer_modules.common.input_data import Rows, evaluation_batches, read_examples, shuffled_batches, steps_per_execution
from trainer_modules.common.strategies import make_strategy

HPARAMS = {"epochs": 3, "batch_size": 16, "units": 4, "learning_rate": 0.05, "schedule": "constant"}


def build_model(hparams):
    x = keras.Input((2,), name="x")
    hidden = keras.layers.Dense(hparams["units"], activation="tanh")(x)
    model = keras.Model({"x": x}, keras.layers.Dense(2, activation="softmax", name="probabilities")(hidden))
    model.compile(optimizer=keras.optimizers.Adam(hparams["learning_rate"]), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture(scope="module")
def rows():
    points = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    return Rows({"x": tf.constant(points)}, tf.constant((points[:, 0] * points[:, 1] > 0).astype(np.int64)), 100)


def test_an_epoch_is_whole_batches_of_distinct_rows_in_an_order_of_its_own():
    rows = Rows({"x": tf.range(50)}, tf.range(50) * 2, 50)
    batches = [(batch["x"].numpy(), labels.numpy()) for batch, labels in shuffled_batches(rows, 16, seed=1, epochs=2)]
    assert [len(x) for x, _ in batches] == [16] * 6
    for epoch in (batches[:3], batches[3:]):
        seen = np.concatenate([x for x, _ in epoch])
        assert len(set(seen)) == 48
        np.testing.assert_array_equal(np.concatenate([y for _, y in epoch]), seen * 2)
    assert not np.array_equal(batches[0][0], batches[3][0])


def test_the_order_depends_on_the_seed_alone():
    rows = Rows({"x": tf.range(50)}, tf.range(50), 50)
    batches = shuffled_batches(rows, 50, seed=1, epochs=1)
    first, again = (next(iter(batches))[1].numpy() for _ in range(2))
    keras.utils.set_random_seed(99)
    same = next(iter(shuffled_batches(rows, 50, seed=1, epochs=1)))[1].numpy()
    other = next(iter(shuffled_batches(rows, 50, seed=2, epochs=1)))[1].numpy()
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_a_split_smaller_than_a_batch_is_one_batch():
    rows = Rows({"x": tf.range(5)}, tf.range(5), 5)
    assert [len(labels) for _, labels in shuffled_batches(rows, 16, seed=0, epochs=1)] == [5]


@pytest.mark.parametrize(("replicas", "seen"), [(1, 50), (2, 50), (4, 48), (60, 50)])
def test_evaluation_sees_every_row_once_in_order_in_shares_for_each_replica(monkeypatch, replicas, seen):
    monkeypatch.setattr(input_data, "EVALUATION_BYTES", 17 * 4)
    batches = [labels.numpy() for _, labels in evaluation_batches(Rows({"x": tf.range(50)}, tf.range(50), 50), replicas)]
    np.testing.assert_array_equal(np.concatenate(batches), np.arange(seen))
    assert [len(batch) for batch in batches[:-1]] == [{1: 17, 2: 16, 4: 16, 60: 60}[replicas]] * (len(batches) - 1)


@pytest.mark.parametrize(("steps", "expected"), [(105, 21), (64, 32), (103, 1), (1, 1), (31, 31)])
def test_steps_per_execution_divides_the_epoch(steps, expected):
    assert steps_per_execution(steps) == expected


def test_examples_come_in_the_order_of_the_files_names_compressed_or_not(tmp_path):
    for name, values in (("b-00001-of-00002", [b"3"]), ("b-00000-of-00002", [b"1", b"2"])):
        with tf.io.TFRecordWriter(str(tmp_path / name)) as writer:
            for value in values:
                writer.write(value)
    assert list(read_examples([f"{tmp_path}/b-*"]).as_numpy_iterator()) == [b"1", b"2", b"3"]
    assert list(read_examples([f"{tmp_path}/b-*"], limit=2).as_numpy_iterator()) == [b"1", b"2"]
    with tf.io.TFRecordWriter(str(tmp_path / "c.gz"), "GZIP") as writer:
        writer.write(b"4")
    assert list(read_examples([f"{tmp_path}/c*"]).as_numpy_iterator()) == [b"4"]
    with pytest.raises(FileNotFoundError, match="the split is empty"):
        read_examples([f"{tmp_path}/none-*"])


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(rows):
    first, history = training.fit(build_model, HPARAMS, rows, rows, seed=5)
    second, _ = training.fit(build_model, HPARAMS, rows, rows, seed=5)
    other, _ = training.fit(build_model, HPARAMS, rows, rows, seed=6)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert not np.allclose(first.get_weights()[0], other.get_weights()[0])
    assert set(history["metrics"]) == {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
    assert [len(values) for values in history["metrics"].values()] == [3] * 5
    assert history["metrics"]["loss"][2] < history["metrics"]["loss"][0]


def test_a_model_learns_from_its_inputs_whatever_other_features_there_are(rows):
    others = {"a": rows.features["x"] * 100, "z": rows.features["x"][:, :1]}
    more = Rows({"a": others["a"], "x": rows.features["x"], "z": others["z"]}, rows.labels, rows.count)
    alone, _ = training.fit(build_model, HPARAMS, rows, rows, seed=5)
    among, _ = training.fit(build_model, HPARAMS, more, more, seed=5)
    for a, b in zip(alone.get_weights(), among.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_schedules():
    hparams = {"learning_rate": 0.4, "epochs": 4}
    assert [progress.schedule(hparams | {"schedule": "constant"})(epoch) for epoch in range(4)] == [0.4] * 4
    cosine = progress.schedule(hparams | {"schedule": "cosine"})
    np.testing.assert_allclose([cosine(epoch) for epoch in range(4)], [0.4, 0.2 * (1 + 0.5**0.5), 0.2, 0.2 * (1 - 0.5**0.5)])
    with pytest.raises(ValueError, match="no learning rate schedule 'linear'"):
        progress.schedule(hparams | {"schedule": "linear"})


def test_models_of_different_sizes_train_on_replicas_in_one_process(rows):
    for units in (3, 5):
        _, history = training.fit(build_model, {**HPARAMS, "units": units}, rows, rows, seed=1, strategy="mirrored")
        assert history["replicas"] == 2


def test_validation_rows_that_replicas_cannot_share_equally_are_left_out(rows):
    odd = Rows({"x": rows.features["x"][:49]}, rows.labels[:49], 49)
    model, history = training.fit(build_model, HPARAMS, rows, odd, seed=1, strategy="mirrored")
    right = np.argmax(model({"x": odd.features["x"][:48]}), axis=1) == odd.labels[:48].numpy()
    assert history["metrics"]["val_accuracy"][-1] == pytest.approx(right.mean(), abs=1e-6)


def test_an_unknown_strategy_is_named():
    with pytest.raises(ValueError, match="there is no distribution strategy 'miror'"):
        make_strategy("miror")


def test_without_a_tpu_it_says_so(monkeypatch):
    monkeypatch.delenv("TPU_NAME", raising=False)
    with pytest.raises(RuntimeError, match=r"expected a TPU .* found none"):
        make_strategy("tpu")


def test_a_tpu_that_does_not_answer_is_told_at_once(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("TPU_NAME", f"grpc://127.0.0.1:{port}")
    with pytest.raises(RuntimeError, match=rf"TPU_NAME=grpc://127.0.0.1:{port}, it does not answer"):
        make_strategy("tpu")


def test_golden_answers_are_the_models_to_the_first_examples(rows, tmp_path):
    model = build_model(HPARAMS)
    examples = [b"%d" % number for number in range(100)]
    training.write_golden(training.answers(model, rows), examples, tmp_path / "golden")
    with np.load(tmp_path / "golden/outputs.npz", allow_pickle=False) as stored:
        np.testing.assert_allclose(stored["probabilities"], model({"x": rows.features["x"]}), atol=1e-6)
    assert list(read_examples([str(tmp_path / "golden/examples.tfrecord")]).as_numpy_iterator()) == examples


def test_tuned_values_replace_hyperparameters():
    config = json.loads(json.dumps({"space": [], "values": {"units": 8}}))
    assert training.tuned_values(config) == {"units": 8}
    assert training.tuned_values(None) == {}
