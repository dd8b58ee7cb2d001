"""Pooled word embeddings that tell spam from wanted text messages.

Each word's embedding goes through one layer on its own, and each of its units is pooled over the message, so that a message is the
set of its words, as it is for the reference: TF-IDF with a linear support vector machine (T. Almeida, J. Hidalgo and A. Yamakami,
"Contributions to the Study of SMS Spam Filtering", DocEng 2011). Digits are masked, so that telephone numbers and sums of money of
one form are one word. The embeddings are trained from scratch, or start from word vectors:

    darsena run sms_spam                                  2,000 generated messages
    darsena run sms_spam --data full                      SMS Spam Collection, 5,574 messages
    darsena run sms_spam --set embeddings=FOLDER --set embedding_units=N    see trainer_modules/common/text.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from trainer_modules.common import text, training, tuning

if TYPE_CHECKING:
    import keras_tuner
    from tfx.components.trainer.fn_args_utils import FnArgs
    from tfx.components.tuner.component import TunerFnResult

TEXT = "text"
TOKENS = "tokens"
LABEL = "label"
WORDS = 8_000
LENGTH = 64


def preprocessing_fn(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Raw features to what the model takes and what it learns.

    Args:
        inputs: `text`, string [N]; `label`, int64 [N].

    Returns:
        `tokens`, int64 [N, 64], numbers of the message's first 64 words, its digits masked, see text.word_numbers; `label`, int64 [N].
    """
    words = text.split_words(inputs[TEXT], mask_digits=True)
    return {TOKENS: text.word_numbers(words, vocabulary_size=WORDS, length=LENGTH), LABEL: inputs[LABEL]}


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """The compiled network.

    Args:
        hparams: `embedding_units`, `hidden_units`, `dropout` (share dropped after the embedding and after the hidden layer),
            `learning_rate`.

    Returns:
        A model from {`tokens`: int64 [N, 64]} to `probability`, float32 [N, 1], that the message is spam.
    """
    tokens = keras.Input((LENGTH,), dtype="int64", name=TOKENS)
    x = text.embed(tokens, WORDS, hparams["embedding_units"])
    x = keras.layers.Dropout(hparams["dropout"])(x)
    x = keras.layers.Dense(hparams["hidden_units"], activation="relu")(x)
    words = text.present(tokens)
    x = x * words
    largest = keras.ops.max(x, axis=1)
    mean = keras.ops.sum(x, axis=1) / keras.ops.maximum(keras.ops.sum(words, axis=1), 1)
    x = keras.layers.Concatenate()([largest, mean])
    x = keras.layers.Dropout(hparams["dropout"])(x)
    probability = keras.layers.Dense(1, activation="sigmoid", name="probability")(x)
    model = keras.Model({TOKENS: tokens}, probability)
    model.compile(optimizer=keras.optimizers.Adam(hparams["learning_rate"]), loss="binary_crossentropy", metrics=["accuracy"])
    return model


def search_space(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """Hyperparameters that a search may set, each with its range."""
    return {
        "embedding_units": hp.Choice("embedding_units", [32, 64, 128]),
        "hidden_units": hp.Choice("hidden_units", [32, 64, 128]),
        "dropout": hp.Float("dropout", 0.0, 0.6, step=0.1),
        "learning_rate": hp.Float("learning_rate", 5e-4, 1e-2, sampling="log"),
    }


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports (called by TFX's Trainer)."""
    training.run(fn_args, build_model, LABEL, initialise=text.initialisation(fn_args))


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Searches hyperparameters (called by TFX's Tuner)."""
    space, initialise = text.with_width(search_space, fn_args), text.initialisation(fn_args)
    return tuning.search(fn_args, build_model, space, LABEL, objective="val_accuracy", initialise=initialise)
