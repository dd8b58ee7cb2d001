"""Texts as numbers of words, made in the Transform graph, and word vectors to start a model's embedding from.

Word vectors are exchanged as two plain files, `vectors.npy` (float [words, dimensions], no pickle) and `vocabulary.txt` (UTF-8, a
word per line, in the order of the rows). They lie in a folder of their own, or in `assets.extra/` of a SavedModel, which TF Serving
leaves alone: so a release of word vectors, `<root>/serving/<model>/<version>`, is such a folder too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from trainer_modules.common.training import Initialise

if TYPE_CHECKING:
    import keras_tuner
    from tfx.components.trainer.fn_args_utils import FnArgs

PADDING, UNKNOWN, RESERVED = 0, 1, 2
VOCABULARY = "words"
EMBEDDING = "embedding"
VECTORS_FILE, WORDS_FILE, IN_SAVED_MODEL = "vectors.npy", "vocabulary.txt", "assets.extra"

SearchSpace = Callable[["keras_tuner.HyperParameters"], dict[str, Any]]


def split_words(text: tf.Tensor, *, mask_digits: bool = False) -> tf.RaggedTensor:
    """The words of texts, in lower case.

    A word is a run of letters, marks, digits and apostrophes within ("don't", "10"). Exclamation and question marks, and symbols
    (currencies, emoji, <, +), are words of their own; other punctuation, tags such as <br /> and control characters are left out.
    Typographic apostrophes count as the plain one.

    Args:
        text: string [N], UTF-8; bytes that are not are passed over.
        mask_digits: whether every digit becomes a 0, so that numbers of one form are one word ("07781" is "00000").

    Returns:
        string [N, words].
    """
    text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace", replacement_char=ord(" "))
    text = tf.strings.regex_replace(text, r"[\p{Cf}\x{FE0F}]", "")  # joiners and selectors within emoji, soft hyphens
    text = tf.strings.regex_replace(text, r"\pC", " ")
    text = tf.strings.lower(text, encoding="utf-8")
    text = tf.strings.regex_replace(text, r"</?[a-z]+\s*/?>", " ")
    text = tf.strings.regex_replace(text, "[‘’ʼ`´]", "'")
    if mask_digits:
        text = tf.strings.regex_replace(text, r"\p{Nd}", "0")
    text = tf.strings.regex_replace(text, r"[^\p{L}\p{M}\p{N}\p{S}'!?]", " ")
    text = tf.strings.regex_replace(text, r"([\p{S}!?])", r" \1 ")
    text = tf.strings.regex_replace(text, r"(^|\s)'+", " ")  # quotation marks
    text = tf.strings.regex_replace(text, r"'+(\s|$)", " ")
    return tf.strings.split(text)


def word_numbers(
    words: tf.RaggedTensor, *, vocabulary_size: int, length: int, keep: str = "first", least_count: int = 1, vocabulary: str = VOCABULARY
) -> tf.Tensor:
    """Texts as sequences of one length, over the most frequent words of the training split (analysed by TFT).

    Args:
        words: string [N, words].
        vocabulary_size: how many numbers there are: 0 pads, 1 is any other word, the most frequent word is 2.
        length: words kept of each text; shorter ones are padded at their end.
        keep: the "first" or the "last" words of a text that is longer.
        least_count: how often a word must occur in the training split to have a number.
        vocabulary: its name in the Transform graph, one for each column of texts.

    Returns:
        int64 [N, length].

    Raises:
        ValueError: `keep` is neither.
    """
    if keep not in ("first", "last"):
        raise ValueError(f"expected the first or the last words of a text to be kept, received {keep!r}.")
    found = tft.compute_and_apply_vocabulary(
        words,
        default_value=UNKNOWN - RESERVED,
        top_k=vocabulary_size - RESERVED,
        frequency_threshold=least_count if least_count > 1 else None,
        vocab_filename=vocabulary,
    )
    kept = (found[:, :length] if keep == "first" else found[:, -length:]) + RESERVED
    return tf.ensure_shape(kept.to_tensor(PADDING, shape=[None, length]), [None, length])


def embedding(vocabulary_size: int, units: int) -> keras.layers.Embedding:
    """A layer from word numbers, int64 [N, length], to trained vectors, float32 [N, length, units], which `initialisation` can set."""
    return keras.layers.Embedding(vocabulary_size, units, name=EMBEDDING)


def present(tokens: keras.KerasTensor) -> keras.KerasTensor:
    """Which word numbers, int64 [N, length], are no padding: float32 [N, length, 1] of 1 and 0."""
    return keras.ops.expand_dims(keras.ops.cast(keras.ops.not_equal(tokens, PADDING), "float32"), -1)


def read_vectors(folder: Path) -> tuple[list[str], np.ndarray]:
    """Word vectors in the form that the head of this module describes.

    Args:
        folder: with the two files, or a SavedModel with them.

    Returns:
        The words, and their vectors, float32 [words, dimensions].

    Raises:
        ValueError: the files are not there or not as they should be.
    """
    place = folder / IN_SAVED_MODEL if (folder / IN_SAVED_MODEL).is_dir() else folder
    expected = f"expected word vectors in {place}: {VECTORS_FILE}, numbers [words, dimensions], and {WORDS_FILE}, a word per line in UTF-8"
    advice = "Set embeddings to a folder that has both, or leave it empty."
    try:
        words = (place / WORDS_FILE).read_text(encoding="utf-8").removesuffix("\n").split("\n")
        vectors = np.load(place / VECTORS_FILE, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{expected}; received: {error}. {advice}") from error
    if not (isinstance(vectors, np.ndarray) and vectors.ndim == 2 and vectors.dtype.kind == "f" and len(vectors) == len(words)):
        found = f"{vectors.dtype} {list(vectors.shape)}" if isinstance(vectors, np.ndarray) else "an archive of arrays"
        raise ValueError(f"{expected}; received {found} and {len(words)} words. {advice}")
    if not np.all(np.isfinite(vectors)):
        raise ValueError(f"{expected}; received numbers that are not finite. {advice}")
    return words, vectors.astype(np.float32)


def write_vectors(saved_model: Path, words: list[str], vectors: np.ndarray) -> None:
    """Puts word vectors into a SavedModel's folder, in the form that the head of this module describes.

    Args:
        saved_model: the folder; made if it is not there.
        words: of the vectors.
        vectors: float32 [words, dimensions].
    """
    place = saved_model / IN_SAVED_MODEL
    place.mkdir(parents=True, exist_ok=True)
    np.save(place / VECTORS_FILE, vectors, allow_pickle=False)
    (place / WORDS_FILE).write_text("\n".join(words) + "\n", encoding="utf-8")


def starting_from(words: list[str], vectors: np.ndarray, vocabulary: list[str]) -> Initialise:
    """Gives a model's embedding given vectors where it knows the word; elsewhere it stays as it was initialised.

    Args:
        words: of the vectors.
        vectors: float32 [words, dimensions].
        vocabulary: the model's words in the order of their numbers, from RESERVED on.

    Returns:
        A function of a model with the layer `embedding`, which raises ValueError for another width of the embedding.
    """
    rows = {word: row for row, word in reversed(list(enumerate(words)))}
    known = [(number, rows[word]) for number, word in enumerate(vocabulary, RESERVED) if word in rows]

    def initialise(model: keras.Model, hparams: Mapping[str, Any]) -> None:
        layer = model.get_layer(EMBEDDING)
        (table,) = layer.get_weights()
        if table.shape[1] != vectors.shape[1]:
            raise ValueError(
                f"expected word vectors of embedding_units = {table.shape[1]} dimensions, received {vectors.shape[1]}. "
                f"Set embedding_units={vectors.shape[1]}."
            )
        for number, row in known:
            table[number] = vectors[row]
        layer.set_weights([table])

    return initialise


def initialisation(fn_args: FnArgs) -> Initialise | None:
    """What models start from: the word vectors in the folder that the hyperparameter `embeddings` names, or None where it is empty.

    Args:
        fn_args: of TFX's Trainer or Tuner.

    Raises:
        ValueError: the vectors can't be read.
    """
    folder = fn_args.custom_config["hparams"]["embeddings"]
    if not folder:
        return None
    vocabulary = tft.TFTransformOutput(fn_args.transform_graph_path).vocabulary_by_name(VOCABULARY)
    words, vectors = read_vectors(Path(folder).expanduser())
    return starting_from(words, vectors, [word.decode("utf-8") for word in vocabulary])


def with_width(search_space: SearchSpace, fn_args: FnArgs) -> SearchSpace:
    """`search_space` itself or, where the hyperparameter `embeddings` names word vectors, without a choice of embedding_units."""
    hparams = fn_args.custom_config["hparams"]
    if not hparams["embeddings"]:
        return search_space

    def narrowed(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        hp.Fixed("embedding_units", hparams["embedding_units"])
        return search_space(hp)

    return narrowed
