"""The sentence LSTM against the shared contract, and its own promises."""

import keras
import keras_tuner
import numpy as np
import pytest

from pipelines.sentiment_bilstm import MODEL
from tests import texts
from tests.contract import Case, check_model
from trainer_modules import sentiment_bilstm
from trainer_modules.common import text

SMALL = {"embedding_units": 4, "lstm_units": 3, "hidden_units": 4}
HPARAMS = {**MODEL.hparams, **SMALL, "word_dropout": 0.0, "embedding_dropout": 0.0, "dropout": 0.0}


def tokens(*words: str) -> list[int]:
    return [texts.NUMBERS[word] for word in words] + [text.PADDING] * (sentiment_bilstm.LENGTH - len(words))


@pytest.mark.slow
def test_contract(tmp_path, monkeypatch):
    monkeypatch.setattr(sentiment_bilstm, "LENGTH", 8)  # an unrolled loop takes as long to compile as it has steps
    check_model(
        Case(
            module=sentiment_bilstm,
            schema=(MODEL.schema_dir / "schema.pbtxt").read_text(),
            examples=[texts.example(sentence, i % 2, origin="here") for i, sentence in enumerate(texts.TEXTS)],
            transformed={
                sentiment_bilstm.TOKENS: [tokens("film", "good", "!"), tokens("not", "bad", "not", "bad", "film")],
                "label": [0, 1],
            },
            hparams=HPARAMS,
            label=sentiment_bilstm.LABEL,
        ),
        tmp_path,
    )


def test_answers_do_not_depend_on_padding(monkeypatch):
    """With half as much room for padding, the same weights give the same answers, also for no words at all."""
    model = sentiment_bilstm.build_model(HPARAMS)
    monkeypatch.setattr(sentiment_bilstm, "LENGTH", 5)
    shorter = sentiment_bilstm.build_model(HPARAMS)
    shorter.set_weights(model.get_weights())
    rows = np.zeros((3, 32), np.int64)
    rows[0, :5] = 5, 6, 7, 8, 9
    rows[1, :3] = 5, 6, 7
    answers = np.asarray(model({sentiment_bilstm.TOKENS: rows}))
    np.testing.assert_allclose(shorter({sentiment_bilstm.TOKENS: rows[:, :5]}), answers, atol=1e-6)
    assert len(np.unique(answers.round(6))) == 3


def test_backwards_keeps_padding_at_the_end():
    rows = np.array([[5, 6, 7, 0], [5, 6, 7, 8], [0, 0, 0, 0]])
    np.testing.assert_array_equal(sentiment_bilstm.backwards(rows), [[7, 6, 5, 0], [8, 7, 6, 5], [0, 0, 0, 0]])


def test_the_order_of_words_counts(monkeypatch):
    monkeypatch.setattr(sentiment_bilstm, "LENGTH", 5)
    model = sentiment_bilstm.build_model(HPARAMS)
    one, other = np.asarray(model({sentiment_bilstm.TOKENS: np.array([[5, 6, 7, 0, 0], [7, 6, 5, 0, 0]])}))[:, 0]
    assert abs(one - other) > 1e-6


def test_the_default_network_is_the_published_one():
    layers = sentiment_bilstm.build_model(MODEL.hparams).layers
    kinds = (keras.layers.LSTM, keras.layers.Dense)
    units = {layer.name: layer.units for layer in layers if isinstance(layer, kinds)}
    assert units == {"forward": 64, "backward": 64, "hidden": 64, "probability": 1}
    assert next(layer for layer in layers if layer.name == text.EMBEDDING).output_dim == 64


def test_the_search_covers_the_defaults_and_only_known_hyperparameters():
    hp = keras_tuner.HyperParameters()
    assert set(sentiment_bilstm.search_space(hp)) <= set(MODEL.hparams)
    for parameter in hp.space:
        default = MODEL.hparams[parameter.name]
        if isinstance(parameter, keras_tuner.engine.hyperparameters.Choice):
            assert default in parameter.values
        else:
            assert parameter.min_value <= default <= parameter.max_value
