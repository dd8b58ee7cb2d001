"""`make bench-tuning`: what a search gains over the defaults on the test split, and at what cost.

    python -m benchmarks.tuning [MODEL …] [--seeds 3] [--root bench_root/tuning] [--write docs/tuning.md]

Each seed makes a run with the defaults and a run with a search, on the same split. Both models answer the same test examples: the
interval is of a paired bootstrap over these. It takes the better part of an hour on two cores, and resumes where it stopped: what
was measured is kept under the root until the defaults or the number of trials or seeds change, and runs come from TFX's cache.
The full data comes from where `darsena run --data full` finds it ($DARSENA_DATA, or the download cache).
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import DARSENA, commit, machine
from pipelines.common.data import resolve_data
from pipelines.common.layout import load_model

RESAMPLES, INTERVAL, BATCH = 2000, (2.5, 97.5), 500
SOME_DIGITS, EPOCHS = 20_000, 5


@dataclasses.dataclass(frozen=True)
class Case:
    """A model to tune, and how much.

    Attributes:
        model: its name.
        data: in words.
        trials: of each search.
        prepare: makes the data in a folder; returns what `--data` takes.
        loss: from labels [N] and the model's outputs [N, …] to a number per example, the lower the better.
        metric: from the mean of these to the metric.
        name: of the metric.
        lower: whether the lower metric is the better one.
        settings: further options of `darsena run`.
    """

    model: str
    data: str
    trials: int
    prepare: Callable[[Path], str]
    loss: Callable[[np.ndarray, np.ndarray], np.ndarray]
    metric: Callable[[np.ndarray], np.ndarray]
    name: str
    lower: bool
    settings: tuple[str, ...] = ()


def some_digits(folder: Path) -> str:
    """The first 20,000 training digits of MNIST and its whole test set: a search takes minutes, and has 2,000 digits to tell trials by."""
    from components.image_example_gen.readers import find_sources, load

    made = folder / f"mnist-{SOME_DIGITS}.npz"
    if not made.is_file():
        full = resolve_data(load_model("mnist_lenet").data, "full", folder)
        splits = {source.split: load(source) for source in find_sources(full.path, full.pattern)}
        train, test = splits["train"], splits["test"]
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(made, x_train=train.images[:SOME_DIGITS], y_train=train.labels[:SOME_DIGITS], x_test=test.images, y_test=test.labels)
    return str(made)


CASES = (
    Case(
        model="house_prices",
        data="California housing",
        trials=20,
        prepare=lambda folder: "full",
        loss=lambda labels, answers: (labels - answers[:, 0]) ** 2,
        metric=np.sqrt,
        name="RMSE",
        lower=True,
    ),
    Case(
        model="mnist_lenet",
        data=f"the first {SOME_DIGITS:,} training digits of MNIST, and its test set; {EPOCHS} epochs",
        trials=15,
        prepare=some_digits,
        loss=lambda labels, answers: (labels != answers.argmax(axis=1)).astype(float),
        metric=lambda mean: 1 - mean,
        name="accuracy",
        lower=False,
        settings=("--epochs", str(EPOCHS)),
    ),
)


@dataclasses.dataclass(frozen=True)
class Pair:
    """What one seed gave.

    Attributes:
        losses: of the default and of the tuned model, [2, test examples].
        training_seconds: of the default model.
        search_seconds, completed: of the search, and how many of its trials completed.
        chosen: the hyperparameters that it changed.
    """

    losses: np.ndarray
    training_seconds: float
    search_seconds: float
    completed: int
    chosen: dict[str, object]


def measure(case: Case, root: Path, seed: int) -> Pair:
    """The two runs of one seed."""
    data = case.prepare(root / "data")
    default, tuned = (run(case, root, data, seed, search) for search in ((), ("--tune", "--trials", str(case.trials))))
    search = json.loads((output(tuned, "tuner_results") / "search.json").read_text())
    history, tuned_history = (json.loads((output(record, "model_run") / "history.json").read_text()) for record in (default, tuned))
    return Pair(
        losses=np.stack([losses(case, record) for record in (default, tuned)]),
        training_seconds=history["seconds"],
        search_seconds=search["seconds"],
        completed=sum(trial["status"] == "completed" for trial in search["trials"]),
        chosen={name: value for name, value in tuned_history["hparams"].items() if value != history["hparams"][name]},
    )


def run(case: Case, root: Path, data: str, seed: int, search: tuple[str, ...]) -> dict:
    """The record of a run; whether it was blessed does not matter here."""
    command = [DARSENA, "run", case.model, "--data", data, "--root", str(root), "--seed", str(seed), *case.settings, *search, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 3):
        sys.exit(f"bench-tuning: {' '.join(command)} ended with {done.returncode}.")
    record: dict = json.loads(done.stdout)
    return record


def output(record: dict, name: str) -> Path:
    """The folder of a node's output."""
    return next(Path(node["outputs"][name][0]) for node in record["nodes"] if name in node["outputs"])


def losses(case: Case, record: dict) -> np.ndarray:
    """The loss of each test example, [N], as the exported model answers it."""
    import tensorflow as tf

    model = tf.saved_model.load(str(output(record, "model") / "Format-Serving"))
    files = sorted(str(path) for path in (output(record, "examples") / "Split-test").iterdir())
    found = []
    for batch in tf.data.TFRecordDataset(files).batch(BATCH):
        features = [tf.train.Example.FromString(example).features.feature[record["label"]] for example in batch.numpy()]
        labels = np.array([(feature.int64_list.value or feature.float_list.value)[0] for feature in features])
        (answers,) = model.signatures["serving_default"](examples=batch).values()
        found.append(case.loss(labels, answers.numpy()))
    return np.concatenate(found)


def gain(case: Case, pairs: list[Pair]) -> tuple[float, float, float]:
    """By how much the tuned models are better on average over the seeds, and the ends of its 95% interval."""
    table = np.stack([pair.losses for pair in pairs])  # [seeds, 2, examples]
    sign = 1 if case.lower else -1

    def better(means: np.ndarray) -> float:
        default, tuned = case.metric(means).mean(axis=0)
        return float(sign * (default - tuned))

    random = np.random.default_rng(0)
    examples = table.shape[2]
    resampled = [better(table[:, :, random.integers(0, examples, examples)].mean(axis=2)) for _ in range(RESAMPLES)]
    low, high = np.percentile(resampled, INTERVAL)
    return better(table.mean(axis=2)), float(low), float(high)


def row(case: Case, pairs: list[Pair]) -> list[str]:
    """The cells of a model."""
    metrics = np.array([case.metric(pair.losses.mean(axis=1)) for pair in pairs])
    value, low, high = gain(case, pairs)
    won = sum(tuned < default if case.lower else tuned > default for default, tuned in metrics)
    search, training = (
        statistics.median(times) for times in zip(*((pair.search_seconds, pair.training_seconds) for pair in pairs), strict=True)
    )
    completed = ", ".join(str(pair.completed) for pair in pairs)
    error = float(metrics[:, 0].mean()) if case.lower else 1 - float(metrics[:, 0].mean())
    return [
        f"`{case.model}`: {case.data}",
        f"{case.name} {number(metrics[:, 0].mean())} ({' / '.join(map(number, metrics[:, 0]))})",
        f"{number(metrics[:, 1].mean())} ({' / '.join(map(number, metrics[:, 1]))})",
        f"{number(value)} ({number(low)} – {number(high)}): {value / error:.1%} of the {case.name if case.lower else 'error'}",
        f"{won} of {len(pairs)}",
        f"{completed} trials, {search:,.0f} s (a training: {training:,.0f} s)",
    ]


def number(value: float) -> str:
    """A share, or dollars."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4f}"


COLUMNS = (
    "model, data",
    "defaults, by seed",
    "tuned",
    "gain, with 95% interval",
    "seeds won",
    "cost of a search, median",
    "measured, at commit",
)


@dataclasses.dataclass(frozen=True)
class Measured:
    """What came of a case; kept as JSON.

    Attributes:
        key: what it depends on, beside the code.
        cells: of the table.
        changed: by each seed's search, in words.
        won: whether the gain is above 0 by its interval.
    """

    key: dict[str, Any]
    cells: list[str]
    changed: list[str]
    won: bool


def kept_or_measured(case: Case, root: Path, seeds: int) -> Measured:
    """What was measured before, if nothing that it depends on has changed since; else by runs now."""
    key = {"hparams": dict(load_model(case.model).hparams), "trials": case.trials, "seeds": seeds, "data": case.data}
    file = root / "measured" / f"{case.model}.json"
    if file.is_file() and (found := Measured(**json.loads(file.read_text()))).key == key:
        return found
    pairs = [measure(case, root / case.model, seed) for seed in range(1, seeds + 1)]
    measured = Measured(key, [*row(case, pairs), f"{datetime.date.today()}, {commit()}"], [*map(chosen, pairs)], gain(case, pairs)[1] > 0)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(dataclasses.asdict(measured), indent=1))
    return measured


def main() -> None:
    """The command line, see the head of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="all by default")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--root", type=Path, default=Path("bench_root/tuning"))
    parser.add_argument("--write", type=Path, help="write the table to this file too")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    known = [case.model for case in CASES]
    if not set(arguments.models) <= set(known):
        parser.error(f"expected models of {', '.join(known)}, received {', '.join(arguments.models)}")
    cases = [case for case in CASES if not arguments.models or case.model in arguments.models]
    found = {case.model: kept_or_measured(case, arguments.root.absolute(), arguments.seeds) for case in cases}
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS), *(f"| {' | '.join(each.cells)} |" for each in found.values())]
    lines += ["", "What each search changed:", ""]
    lines += [f"- `{model}`, seed {seed}: {words}" for model, each in found.items() for seed, words in enumerate(each.changed, start=1)]
    print("\n".join(lines))
    if arguments.write and not arguments.models:
        arguments.write.write_text(HEAD.format(seeds=arguments.seeds, about=f"{machine()}, no GPU") + "\n".join(lines) + "\n")
    sys.exit(not all(each.won for each in found.values()))


def chosen(pair: Pair) -> str:
    """The hyperparameters that a search changed, in words."""
    values = (f"{name} {value:.2g}" if isinstance(value, float) else f"{name} {value}" for name, value in pair.chosen.items())
    return ", ".join(values) or "nothing"


HEAD = """# What a search gains

`make bench-tuning`: for each of {seeds} seeds a run with the defaults and a run with `--tune`, which searches preparation of the data,
architecture and training and begins with the defaults. Trials are scored on the validation split; the figures here are of the test
split, which no search sees. The gain is the mean over the seeds, its interval that of a paired bootstrap over the test examples.
On {about}.

"""

if __name__ == "__main__":
    main()
