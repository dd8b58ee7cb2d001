"""Tables in TFLite: each form of a column keeps its values in integers, beside others of another range."""

import keras
import numpy as np
import tensorflow as tf

from components.tflite_exporter.converters import CONVERTERS
from components.tflite_exporter.interpreter import answer
from trainer_modules.common import tabular_model
from trainer_modules.common.tabular import Category, Number, Text

COLUMNS = (Number("x"), Category("c", size=4), Text("t", size=30, length=12))
HPARAMS = {
    **{"features": "all", "scaling": "zscore", "impute": "median", "buckets": 8, "crosses": "none", "embedding": 0},
    **{"network": "dnn", "depth": 1, "width": 32, "dropout": 0.0, "learning_rate": 0.02},
}
ROWS = 300


def test_answers_stay_the_same_in_fewer_bits(tmp_path):
    rng = np.random.default_rng(0)
    words = rng.integers(2, 30, (ROWS, 12)) * (np.arange(12) < rng.integers(1, 12, (ROWS, 1)))
    inputs = {
        "x__zscore": rng.normal(size=(ROWS, 1)).astype(np.float32),
        "x__bucket8": rng.integers(0, 8, (ROWS, 1)),
        "c__id": rng.integers(0, 6, (ROWS, 1)),
        "t__words": words,
    }
    certainty = inputs["x__zscore"][:, 0] + 2.0 * (inputs["c__id"][:, 0] >= 3) + 2.0 * (words == 7).any(axis=1) - 2.0
    labels = rng.random(ROWS) < 1 / (1 + np.exp(-certainty))
    keras.utils.set_random_seed(1)
    model = tabular_model.build_model(COLUMNS, HPARAMS, tabular_model.BINARY)
    model.fit(inputs, labels, epochs=10, batch_size=50, verbose=0)
    expected = np.asarray(model(inputs))
    assert expected.std() > 0.2

    archive = keras.export.ExportArchive()
    archive.track(model)
    signature = {name: tf.TensorSpec([None, *values.shape[1:]], values.dtype, name=name) for name, values in inputs.items()}

    def ask(**features: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probability": model(features)}

    for name in ("raw", "model"):
        endpoint = tf.function(ask)
        endpoint.get_concrete_function(**signature)
        archive.add_endpoint(name, endpoint)
    archive.write_out(str(tmp_path / "model"), verbose=False)
    for name, bound in (("float32", 1e-5), ("float16", 5e-3), ("int8", 0.08)):
        answers, _ = answer(CONVERTERS[name](tmp_path / "model", tmp_path, inputs), inputs)
        assert np.abs(answers["probability"] - expected).max() < bound, name
