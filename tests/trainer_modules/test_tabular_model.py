"""Which features hyperparameters choose, and the networks over them."""

import keras
import numpy as np
import pytest

from tests.trainer_modules.test_tabular import COLUMNS, HPARAMS
from trainer_modules.common import tabular_model
from trainer_modules.common.tabular import Text


def names(**hparams):
    return [feature.name for feature in tabular_model.chosen_features(COLUMNS, HPARAMS | hparams)]


def test_hyperparameters_choose_the_forms():
    assert names(features="price,town") == ["price__zscore", "price__missing", "town__id"]
    assert names(features="rooms", scaling="quantile", buckets=32) == ["rooms__quantile", "rooms__bucket32"]
    assert names(features="price,rooms", impute="mean", scaling="log") == ["price__mean__log", "price__missing", "rooms__log"]
    assert names(features="sold", crosses="where") == [
        "sold__days",
        "sold__year",
        "sold__missing",
        "sold__month",
        "sold__weekday",
        "where__id",
    ]
    assert names(features="none", crosses="all") == ["plan__id", "where__id"]


@pytest.mark.parametrize(
    ("hparams", "words"),
    [
        ({"features": "price, hight"}, "expected features to be all, none or some of price, rooms.*received hight"),
        ({"crosses": "price"}, "expected crosses to be all, none or some of plan, where, received price"),
        ({"features": "none"}, "expected features to leave at least one column"),
        ({"scaling": "minmax"}, "expected scaling to be one of zscore, log, quantile, received 'minmax'"),
        ({"buckets": 10}, "expected buckets to be one of 0, 8, 32, received 10"),
        ({"network": "tree"}, "expected network to be one of linear, dnn, residual, received 'tree'"),
    ],
)
def test_values_that_there_are_not_are_named(hparams, words):
    with pytest.raises(ValueError, match=words):
        tabular_model.build_model(COLUMNS, HPARAMS | hparams, "regression")


@pytest.mark.parametrize(("scale", "offset"), [(1000.0, 5000.0), (115396.0, 206856.0), (0.01, -0.5), (1e8, 0.0)])
def test_regression_answers_in_the_labels_unit(scale, offset):
    """A scaled prediction of 0 is the offset, and of 1 the scale more; the loss is in scales, the metrics in the label's unit."""
    hparams = HPARAMS | {"features": "rooms", "network": "linear", "label_scale": scale, "label_offset": offset}
    model = tabular_model.build_model(COLUMNS, hparams, "regression")
    model.set_weights([np.ones((1, 1)), np.zeros(1)])
    x = np.array([[0.0], [1.0], [-2.0]], np.float32)
    np.testing.assert_allclose(model({"rooms__zscore": x}).numpy()[:, 0], offset + scale * x[:, 0], rtol=1e-5)
    label = offset + scale * np.array([0.0, 3.0, -2.0])
    found = model.evaluate({"rooms__zscore": x}, label.astype(np.float32), verbose=0, return_dict=True)
    np.testing.assert_allclose(found["loss"], 4 / 3, rtol=1e-4)
    np.testing.assert_allclose(found["rmse"], scale * np.sqrt(4 / 3), rtol=1e-4)
    np.testing.assert_allclose(found["mae"], scale * 2 / 3, rtol=1e-4)


def layers(kind, **hparams):
    model = tabular_model.build_model(COLUMNS, HPARAMS | hparams, "regression")
    return [layer for layer in model.layers if isinstance(layer, kind)]


def test_depth_and_kind_of_network():
    assert [layer.units for layer in layers(keras.layers.Dense, network="linear", depth=3)] == [1]
    assert [layer.units for layer in layers(keras.layers.Dense, network="dnn", depth=3, width=16)] == [16, 16, 16, 1]
    assert [layer.units for layer in layers(keras.layers.Dense, network="residual", depth=2, width=16)] == [16] * 5 + [1]
    assert len(layers(keras.layers.Add, network="residual", depth=2)) == 2
    assert [layer.rate for layer in layers(keras.layers.Dropout, depth=2, dropout=0.3)] == [0.3, 0.3]


def test_what_has_more_values_than_the_embedding_is_embedded():
    found = {layer.input_dim: layer.output_dim for layer in layers(keras.layers.Embedding, features="town,floor,remark", crosses="plan")}
    assert found == {5: 4, 64: 4, 6: 16}  # floors with unknown and missing ones, the cross, words; the four numbers of towns are not
    assert [layer.input_dim for layer in layers(keras.layers.Embedding, features="town", crosses="plan", network="linear")] == []


def test_words_count_by_their_mean():
    model = tabular_model.build_model((Text("remark", size=6, length=4),), HPARAMS | {"network": "linear"}, "binary")
    table = np.zeros((6, 16), np.float32)
    table[2], table[3] = 1.0, 4.0
    model.set_weights([table, np.full((16, 1), 1 / 16), np.zeros(1)])
    answers = model({"remark__words": np.array([[2, 3, 0, 0], [3, 0, 0, 0], [0, 0, 0, 0]])}).numpy()[:, 0]
    np.testing.assert_allclose(np.log(answers / (1 - answers)), [2.5, 4, 0], atol=1e-4)
