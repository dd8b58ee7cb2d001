"""What other libraries reach on the very split of a run: the figures that models are held to, computed by scikit-learn.

    python benchmarks/references.py RUN.json    the figures for a run's record (<root>/runs/<model>/<run id>/run.json)

Both train on the run's training split alone and are measured on its test split.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

Reference = Callable[[dict], float]  # from the record of a run
Columns = dict[str, list[Any]]


def read_split(record: dict, split: str, only: Sequence[str] = ()) -> Columns:
    """The rows of a split of a run, as columns, perhaps only some of them; None for a missing value."""
    (examples,) = next(node["outputs"]["examples"] for node in record["nodes"] if "examples" in node["outputs"])
    files = sorted(str(path) for path in (Path(examples) / f"Split-{split}").iterdir())
    rows = [tf.train.Example.FromString(example).features.feature for example in tf.data.TFRecordDataset(files).as_numpy_iterator()]
    names = only or sorted({name for row in rows for name in row})
    return {name: [value(row[name]) if name in row else None for row in rows] for name in names}


def value(feature: tf.train.Feature) -> Any:
    """The one value of a feature."""
    found = getattr(feature, feature.WhichOneof("kind")).value[0]
    return found.decode() if isinstance(found, bytes) else found


def least_squares(record: dict) -> float:
    """RMSE of ordinary least squares on the columns as they are: numbers with their median where one is missing, texts one-hot."""
    import pandas as pd
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import root_mean_squared_error
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    train, test = (pd.DataFrame(read_split(record, split)) for split in ("train", "test"))
    label = record["label"]
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), make_column_selector(dtype_include=np.number)),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude=np.number)),
    )
    model = make_pipeline(columns, LinearRegression()).fit(train.drop(columns=label), train[label])
    return float(root_mean_squared_error(test[label], model.predict(test.drop(columns=label))))


def bag_of_words(record: dict, classifier: str, text: str = "text") -> dict[str, float]:
    """Accuracy, F1, precision and recall of TF-IDF of single words with a linear classifier, all with scikit-learn's defaults.

    Args:
        record: of a run.
        classifier: "LogisticRegression" or "LinearSVC".
        text: the feature that holds the text.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score
    from sklearn.svm import LinearSVC

    train, test = read_split(record, "train"), read_split(record, "test")
    label = record["label"]
    vectors = TfidfVectorizer()
    model = {"LogisticRegression": LogisticRegression, "LinearSVC": LinearSVC}[classifier]()
    model.fit(vectors.fit_transform(train[text]), train[label])
    answers = model.predict(vectors.transform(test[text]))
    measures = {"accuracy": accuracy_score, "f1": f1_score, "precision": precision_score, "recall": recall_score}
    return {name: float(measure(test[label], answers)) for name, measure in measures.items()}


def pixels(record: dict, split: str, image: str = "image") -> np.ndarray:
    """The raw pictures of a split of a run, of one size, as rows of pixels in 0..1."""
    (examples,) = next(node["outputs"]["examples"] for node in record["nodes"] if "examples" in node["outputs"])
    files = sorted(str(path) for path in (Path(examples) / f"Split-{split}").iterdir())
    records = (
        tf.data.TFRecordDataset(files)
        .batch(4096)
        .map(lambda batch: tf.io.parse_example(batch, {image: tf.io.FixedLenFeature([], tf.string)}))
    )
    return np.concatenate([tf.io.decode_raw(batch[image], tf.uint8).numpy() for batch in records]) / 255.0


def explained_variance(record: dict) -> float:
    """The share of the variance of the training split in scikit-learn's principal components."""
    from sklearn.decomposition import PCA

    return float(
        PCA(record["config"]["hparams"]["components"], random_state=0).fit(pixels(record, "train")).explained_variance_ratio_.sum()
    )


def color_map(record: dict) -> dict[str, float]:
    """Errors on the test split of MiniSom's map of the training split's colours: of the same size, after as many passes, with a
    neighbourhood that begins and ends as wide; means of three seeds."""
    from minisom import MiniSom

    hparams = record["config"]["hparams"]
    train, test = (np.array([read_split(record, split)[channel] for channel in "rgb"], np.float32).T / 255 for split in ("train", "test"))
    if hparams["last_sigma"] != 1:
        raise ValueError(f"expected last_sigma to be 1, where MiniSom's linear decay ends, received {hparams['last_sigma']}.")
    errors = []
    for seed in range(3):
        found = MiniSom(
            hparams["rows"],
            hparams["columns"],
            3,
            sigma=hparams["sigma"],
            learning_rate=hparams["rate"],
            sigma_decay_function="linear_decay_to_one",
            random_seed=seed,
        )
        found.train(train, hparams["iterations"] * len(train), random_order=True)
        errors.append((found.quantization_error(test), found.topographic_error(test)))
    return dict(zip(("quantization_error", "topographic_error"), map(float, np.mean(errors, axis=0)), strict=True))


def inertia(record: dict) -> float:
    """The mean squared distance of test pictures' principal components from the nearest of scikit-learn's centroids."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    hparams, train = record["config"]["hparams"], pixels(record, "train")
    axes = PCA(hparams["components"], random_state=0).fit(train)
    clusters = KMeans(hparams["clusters"], n_init=hparams["starts"], random_state=0).fit(axes.transform(train))
    return float((clusters.transform(axes.transform(pixels(record, "test"))).min(axis=1) ** 2).mean())


def boltzmann(record: dict) -> dict[str, float]:
    """Error of reconstruction and free-energy gap of scikit-learn's BernoulliRBM with the run's hidden units, on the run's split."""
    from scipy.special import expit
    from sklearn.neural_network import BernoulliRBM

    train, test = pixels(record, "train"), pixels(record, "test")
    machine = BernoulliRBM(record["config"]["hparams"]["hidden_units"], random_state=0).fit(train)
    found = expit(machine.transform(test) @ machine.components_ + machine.intercept_visible_)
    gap = machine._free_energy(test).mean() - machine._free_energy(train[: len(test)]).mean()
    return {"reconstruction_error": float(((test - found) ** 2).mean()), "free_energy_gap": float(gap)}


def word_vectors(record: dict) -> dict[str, float]:
    """Similarity (WordSim-353) and analogies of gensim's Word2Vec, trained on the run's training split with the run's settings."""
    from trainer_modules.common import similarity
    from trainer_modules.common.text import split_words

    hparams = record["config"]["hparams"]
    texts = split_words(tf.constant(read_split(record, "train")["text"])).to_list()
    model = gensim_model([[word.decode() for word in text] for text in texts], hparams, record["config"]["seed"])
    found = similarity.Vectors(model.wv.index_to_key, model.wv.vectors)
    scores = found.pairs(similarity.word_pairs()), found.analogies(similarity.analogies())
    return {name: float(score.figure) for name, score in zip(("similarity", "analogy_accuracy"), scores, strict=True)}


def gensim_model(texts: list[list[str]], hparams: dict, seed: int) -> Any:
    """gensim's Word2Vec of texts with a run's settings, its own learning rate, and a thread for each core."""
    from gensim.models import Word2Vec

    return Word2Vec(
        texts,
        vector_size=hparams["units"],
        window=hparams["window"],
        min_count=hparams["least_count"],
        sg=int(hparams["skip_gram"]),
        negative=hparams["negatives"],
        sample=hparams["sample"],
        epochs=hparams["epochs"],
        max_final_vocab=hparams["vocabulary_size"],
        workers=os.cpu_count() or 1,
        seed=seed,
    )


def mixture_of_normals(record: dict) -> dict[str, float]:
    """How samples of scikit-learn's GaussianMixture, on 50 principal components of the training split, are judged."""
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    from trainer_modules.common import judge

    train, test = pixels(record, "train"), pixels(record, "test")
    side = round(train.shape[1] ** 0.5)
    axes = PCA(50, random_state=0).fit(train)
    mixture = GaussianMixture(20, random_state=0).fit(axes.transform(train))
    made = axes.inverse_transform(mixture.sample(len(test))[0]).clip(0, 1)
    train, test, made = (rows.reshape(-1, side, side).astype(np.float32) for rows in (train, test, made))
    opinion_of = judge.learned(train, np.array(read_split(record, "train", [record["label"]])[record["label"]]))
    real, fake = opinion_of(test), opinion_of(made)
    distance = judge.frechet_distance(fake.features, real.features)
    return {"frechet_distance": distance, "sure_share": fake.sure_share, "classes": fake.classes}


def main() -> None:
    """The command line, see the head of this module."""
    record = json.loads(Path(sys.argv[1]).read_text())
    if record["class_names"]:
        found = {classifier: bag_of_words(record, classifier) for classifier in ("LogisticRegression", "LinearSVC")}
    else:
        found = {"LinearRegression": {"rmse": least_squares(record)}}
    print(json.dumps({"model": record["model"], "run": record["run_id"], **found}, indent=1))


if __name__ == "__main__":
    main()
