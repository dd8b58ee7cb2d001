"""What a bag of words reaches on the very split of a text model's last run: the reference that its gate is set by.

    python benchmarks/text_references.py MODEL [--root DIR] [--json]

TF-IDF of single words, with the linear classifier that shared practice takes for the task, both with scikit-learn's defaults,
trained on the run's training split and measured on its test split. Beside it stand the gates of the run.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score
from sklearn.svm import LinearSVC

from pipelines.common.history import run_records

CLASSIFIERS = {"imdb_cnn": LogisticRegression, "sentiment_bilstm": LogisticRegression, "sms_spam": LinearSVC}
TEXT, LABEL = "text", "label"


def read_split(examples: Path, split: str) -> tuple[list[str], list[int]]:
    """Texts and labels of a split of an Examples artifact."""
    spec = {TEXT: tf.io.FixedLenFeature([], tf.string), LABEL: tf.io.FixedLenFeature([], tf.int64)}
    files = sorted(str(path) for path in (examples / f"Split-{split}").iterdir())
    rows = tf.io.parse_example(list(tf.data.TFRecordDataset(files).as_numpy_iterator()), spec)
    return [text.decode() for text in rows[TEXT].numpy()], rows[LABEL].numpy().tolist()


def reference(model: str, examples: Path) -> dict[str, float]:
    """Metrics of the bag of words, by TFMA's names."""
    texts, labels = read_split(examples, "train")
    vectors = TfidfVectorizer()
    classifier = CLASSIFIERS[model]().fit(vectors.fit_transform(texts), labels)
    texts, labels = read_split(examples, "test")
    answers = classifier.predict(vectors.transform(texts))
    measures = {"BinaryAccuracy": accuracy_score, "F1Score": f1_score, "Precision": precision_score, "Recall": recall_score}
    return {name: float(measure(labels, answers)) for name, measure in measures.items()}


def last_run(root: Path, model: str) -> Mapping:
    """The record of the last run that read its data.

    Raises:
        SystemExit: there is none.
    """
    for record in reversed(run_records(root, model)):
        if any(node["id"] == "TableExampleGen" and node["outputs"] for node in record["nodes"]):
            return record
    raise SystemExit(f"expected a run of {model} under {root}, found none. Run `darsena run {model} --data full --root {root}`.")


def main() -> None:
    """The command line, see the head of this module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=CLASSIFIERS)
    parser.add_argument("--root", type=Path, default=Path("darsena_root"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    record = last_run(arguments.root, arguments.model)
    (examples,) = next(node for node in record["nodes"] if node["id"] == "TableExampleGen")["outputs"]["examples"]
    metrics = reference(arguments.model, Path(examples))
    gates = {gate["metric"]: gate["value"] for gate in record["gates"]}
    if arguments.json:
        print(
            json.dumps(
                {"model": arguments.model, "run": record["run_id"], "data": record["config"]["data"], "reference": metrics, "gates": gates}
            )
        )
        return
    print(f"{arguments.model}, run {record['run_id']} on {record['config']['data']} data; TF-IDF + {CLASSIFIERS[arguments.model].__name__}")
    for name, value in metrics.items():
        print(f"  {name:15} {value:.4f}" + (f"   the run's model {gates[name]:.4f}" if name in gates else ""))


if __name__ == "__main__":
    main()
