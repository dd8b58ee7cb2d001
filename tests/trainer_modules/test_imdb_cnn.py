"""The review CNN against the shared contract, and its own promises."""

import keras
import keras_tuner
import numpy as np

from pipelines.imdb_cnn import MODEL
from tests import texts
from tests.contract import Case, check_model
from trainer_modules import imdb_cnn

HPARAMS = {**MODEL.hparams, "embedding_units": 8, "filters": 8, "hidden_units": 8, "dropout": 0.0}
LONG = "unseen " * 50 + "film " * 198 + "<br />GOOD BAD"


def tokens(*numbers: int) -> list[int]:
    return [*numbers, *[0] * (imdb_cnn.LENGTH - len(numbers))]


def test_contract(tmp_path):
    film, bad, good, not_, mark = 2, 4, 5, 6, 7  # by frequency; "unseen" is 3
    examples = [texts.example(text, i % 2) for i, text in enumerate((*texts.TEXTS[:2], LONG, *texts.TEXTS[2:-1]))]
    check_model(
        Case(
            module=imdb_cnn,
            schema=(MODEL.schema_dir / "schema.pbtxt").read_text(),
            examples=examples,
            transformed={
                imdb_cnn.TOKENS: [tokens(film, good, mark), tokens(not_, bad, not_, bad, film), [film] * 198 + [good, bad]],
                "label": [0, 1, 0],
            },
            hparams=HPARAMS,
            label=imdb_cnn.LABEL,
        ),
        tmp_path,
    )


def test_the_default_network_is_the_published_one():
    model = imdb_cnn.build_model(MODEL.hparams)
    assert model.count_params() == 10_000 * 256 + (3 * 256 + 1) * 256 + 256 * 128 + 128 + 128 + 1
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [MODEL.hparams["dropout"]] * 2


def test_a_phrase_counts_wherever_it_stands():
    model = imdb_cnn.build_model(HPARAMS)
    rows = np.array([tokens(*[9] * 20, 5, 6, 7, *[9] * 20), tokens(*[9] * 30, 5, 6, 7, *[9] * 10), tokens(*[9] * 30, 7, 6, 5, *[9] * 10)])
    early, late, reversed_ = model.predict({imdb_cnn.TOKENS: rows}, verbose=0)[:, 0]
    np.testing.assert_allclose(early, late, atol=1e-6)
    assert abs(reversed_ - late) > 1e-6


def test_the_search_covers_the_defaults_and_only_known_hyperparameters():
    hp = keras_tuner.HyperParameters()
    assert set(imdb_cnn.search_space(hp)) <= set(MODEL.hparams)
    for parameter in hp.space:
        default = MODEL.hparams[parameter.name]
        if isinstance(parameter, keras_tuner.engine.hyperparameters.Choice):
            assert default in parameter.values
        else:
            assert parameter.min_value <= default <= parameter.max_value
