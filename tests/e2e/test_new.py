"""A user's own data, from three kinds of files to served models: `new`, `run`, and raw rows answered; their tests and code as any other."""

import csv
import dataclasses
import datetime
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from minisom import MiniSom
from PIL import Image
from sklearn.datasets import load_wine

from serving.server import ModelServer
from tests.e2e.conftest import REPOSITORY, SOURCES, Checkout
from trainer_modules.common.input_data import read_examples

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

TOWNS = {"Genova": 1.2, "Napoli": 1.0, "La Spezia": 0.8, "Bari": 0.7}
CALM = ("please", "berth", "water", "crane", "schedule", "thanks", "container", "manifest", "arrives", "tonnes", "captain", "pilot")
ANGRY = ("refund", "lawyer", "unacceptable", "damage")
PLANTS = {"rush": (5.0, 1.5), "sedge": (5.9, 4.3), "grass": (6.6, 5.5)}

Rows = list[list[Any]]


def homes(rng: random.Random) -> Rows:
    """Prices, from numbers and categories with missing values and from dates; an id, a constant, and a few rows without a price."""
    rows: Rows = [["id", "Area (m²)", "town", "sold on", "age", "currency", "price"]]
    for number in range(900):
        area, town, age = rng.uniform(30, 200), rng.choice(list(TOWNS)), rng.randrange(80)
        day = datetime.date(2015, 1, 1) + datetime.timedelta(rng.randrange(3000))
        price = area * 2000 * TOWNS[town] * (1 + (day.year - 2015) * 0.03) - age * 500 + rng.gauss(0, 15000)
        found = [number, f"{area:.1f}", town, f"{day:%d.%m.%Y}", age, "EUR", f"{price:.0f}"]
        for column, (share, sign) in {1: (0.1, ""), 2: (0.05, ""), 4: (0.2, "NA"), 6: (0.01, "")}.items():
            if rng.random() < share:
                found[column] = sign
        rows.append(found)
    return rows


def mails(rng: random.Random) -> Rows:
    """One mail in twenty is urgent, as half of the time some of its words tell; ids that tell nothing, quotes, commas and new lines."""
    rows: Rows = [["ticket", "message", "channel", "length of stay", "urgent"]]
    for _ in range(2000):
        urgent = rng.random() < 0.05
        words = [rng.choice(ANGRY if urgent and rng.random() < 0.2 else CALM) for _ in range(rng.randrange(5, 25))]
        if rng.random() < 0.1:
            words[2] += ',\n"quoted"'
        rows.append([f"{rng.getrandbits(64):016x}", " ".join(words), rng.choice(["mail", "phone"]), rng.randrange(1, 9), urgent])
    return rows


def plants(rng: random.Random) -> Rows:
    """Three kinds of plants of different sizes."""
    rows: Rows = [["sepal length", "petal length", "bed", "kind"]]
    for _ in range(600):
        kind = rng.choice(list(PLANTS))
        sepal, petal = PLANTS[kind]
        rows.append([round(rng.gauss(sepal, 0.5), 1), round(rng.gauss(petal, 0.5), 1), rng.choice(["north", "south"]), kind])
    return rows


@dataclasses.dataclass(frozen=True)
class Own:
    """A user's file and what has to come of it.

    Attributes:
        rows: makes them.
        label: what to learn.
        form: of the file, for csv.writer.
        encoding: of the file.
        options: of `new`.
        kinds: what the columns but the label are taken for.
        reached: what the gate's metric has to reach; for a regression, at most.
    """

    rows: Callable[[random.Random], Rows]
    label: str
    form: dict[str, str]
    encoding: str
    options: tuple[str, ...]
    kinds: tuple[str, ...]
    reached: float


CASES = {
    "own_homes": Own(
        homes, "price", {"delimiter": ";"}, "utf-8-sig", (), ("dropped", "number", "category", "date", "number", "dropped"), 60000
    ),
    "own_mails": Own(mails, "urgent", {}, "utf-8", ("--text", "message"), ("dropped", "text", "category", "number"), 0.8),
    "own_plants": Own(plants, "kind", {"delimiter": "\t"}, "utf-8", (), ("number", "number", "category"), 0.85),
}

PICTURES = "own_pictures_of_stripes"
WINES = "own_map_of_wines"
LAWS = (
    "test_law_1_nothing_shared_names_a_model",
    "test_law_7_imports_point_one_way",
    "test_models_have_their_files",
    "test_a_run_fn_holds_no_strategy_fit_or_save",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Checkout:
    """A copy of the project, with its tests and documents, into which models may be written."""
    folder = tmp_path_factory.mktemp("project")
    for name in (*SOURCES, "tests", "reliability", "benchmarks"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPOSITORY / "docs", folder / "docs")
    for path in (*REPOSITORY.glob("*.md"), REPOSITORY / "pyproject.toml"):
        shutil.copy(path, folder)
    return Checkout(folder, folder / "root")


def python(project: Checkout, *arguments: str) -> None:
    """Runs a Python module in the copy; it must succeed."""
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=project.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", CASES)
def test_a_file_of_rows_becomes_a_served_model_that_beats_any_constant_answer(project, tmp_path, name):
    own = CASES[name]
    path = tmp_path / "data.csv"
    rows = own.rows(random.Random(7))
    with path.open("w", newline="", encoding=own.encoding) as file:
        csv.writer(file, **own.form).writerows(rows)
    made = project.darsena("new", name, "--csv", str(path), "--label", own.label, *own.options, "--json")
    assert made.returncode == 0, made.stderr
    review = json.loads(made.stdout)
    assert tuple(column["kind"] for column in review["columns"]) == own.kinds

    done = project.darsena("run", name, "--json")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    record = json.loads(done.stdout)
    (gate,) = [gate for gate in record["gates"] if gate["kind"] == "value"]
    lower = gate["operator"] == "<="
    assert gate["bound"] == review["gate"]["sample"] and (gate["bound"] < review["gate"]["baseline"]) == lower
    assert (gate["value"] < own.reached) == lower and gate["value"] != own.reached

    # The raw rows as they are, label and all, asked of the server.
    answers = predict(project, name, str(path))
    assert len(answers) == len(rows) - 1
    check_answers(answers, [row[rows[0].index(own.label)] for row in rows[1:]], gate)


def predict(project: Checkout, name: str, *files: str) -> list[dict[str, Any]]:
    """What a server of the pushed model answers about files."""
    with ModelServer(project.root / "serving", [name], grpc_port=0, rest_port=0) as server:
        command = [sys.executable, "-m", "pipelines", "predict", name, *files, "--server", f"127.0.0.1:{server.rest_port}", "--json"]
        asked = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
    answers: list[dict[str, Any]] = json.loads(asked.stdout)
    return answers


def check_answers(answers: list[dict[str, Any]], truths: list[Any], gate: dict[str, Any]) -> None:
    """Answers to all rows are as good as the gate asks of those that were held out."""
    if gate["metric"] == "RootMeanSquaredError":
        errors = [answer["outputs"]["prediction"][0] - float(truth) for answer, truth in zip(answers, truths, strict=True) if truth]
        assert (sum(error**2 for error in errors) / len(errors)) ** 0.5 < gate["bound"]
    elif gate["metric"] == "AUC":
        scores = [(answer["outputs"]["probability"][0], truth) for answer, truth in zip(answers, truths, strict=True)]
        yes, no = ([score for score, truth in scores if truth is wanted] for wanted in (True, False))
        pairs = [(a > b) + (a == b) / 2 for a in yes for b in no]
        assert sum(pairs) / len(pairs) > gate["bound"]
    else:
        right = [answer["prediction"] == truth for answer, truth in zip(answers, truths, strict=True)]
        assert sum(right) / len(right) > gate["bound"]


def test_folders_of_pictures_become_a_served_model(project, tmp_path):
    """Stripes that lie and stripes that stand, of two sizes."""
    rng = np.random.default_rng(5)
    for number in range(160):
        kind = ("lying", "standing")[number % 2]
        pixels = rng.integers(0, 60, (40 + 8 * (number % 3), 48, 3), dtype=np.uint8)
        stripes = pixels if kind == "lying" else pixels.transpose(1, 0, 2)
        stripes[rng.integers(0, 6) :: rng.integers(6, 10)] += 150
        path = tmp_path / "pictures" / kind / f"{number}.{('png', 'jpg')[number % 5 == 0]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    made = project.darsena("new", PICTURES, "--images", str(tmp_path / "pictures"))
    assert made.returncode == 0, made.stderr
    done = project.darsena("run", PICTURES, "--json")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    (gate,) = [gate for gate in json.loads(done.stdout)["gates"] if gate["kind"] == "value"]
    assert gate["value"] > 0.9
    files = sorted((tmp_path / "pictures").glob("*/*"))
    answers = predict(project, PICTURES, *map(str, files))
    right = [answer["prediction"] == path.parent.name for answer, path in zip(answers, files, strict=True)]
    assert sum(right) / len(right) > gate["bound"]


def test_a_table_becomes_a_served_map_that_is_no_worse_than_minisoms(project, tmp_path):
    """178 wines by 13 numbers (UCI, in scikit-learn), some unknown, with a name for each."""
    wines = load_wine()
    table = wines.data.copy()
    table[::9, 3] = np.nan
    path = tmp_path / "wines.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["bottle", *wines.feature_names, "kind"])
        for number, (row, kind) in enumerate(zip(table, wines.target, strict=True)):
            cells = ["" if np.isnan(value) else value for value in row]
            writer.writerow([f"bottle {chr(97 + number // 26)}{chr(97 + number % 26)}", *cells, wines.target_names[kind]])
    made = project.darsena("new", WINES, "--csv", str(path), "--map", "--json")
    assert made.returncode == 0, made.stderr
    review = json.loads(made.stdout)
    assert [column["name"] for column in review["columns"] if column["kind"] == "dropped"] == ["bottle", "kind"]
    done = project.darsena("run", WINES, "--json")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    record = json.loads(done.stdout)
    gates = {gate["metric"]: gate for gate in record["gates"] if gate["kind"] == "value"}
    assert [gates[gate["metric"]]["bound"] for gate in review["gates"]] == [gate["sample"] for gate in review["gates"]]

    names = [column["feature"] for column in review["columns"] if column["kind"] == "number"]
    train, test = (read_numbers(project, split, names) for split in ("train", "test"))
    assert len(train) > 100 and len(test) > 20
    mean, deviation = np.nanmean(train, axis=0), np.nanstd(train, axis=0)
    train, test, vectors = (np.nan_to_num((values - mean) / deviation) for values in (train, test, table))
    hparams = record["config"]["hparams"]
    size = hparams["rows"], hparams["columns"]
    reference = MiniSom(*size, 13, sigma=hparams["sigma"], learning_rate=hparams["rate"], random_seed=1)
    reference.train(train, hparams["iterations"] * len(train), random_order=True)
    assert gates["QuantizationError"]["value"] <= reference.quantization_error(test)

    (release,) = (project.root / "serving" / WINES).iterdir()
    model = tf.saved_model.load(str(release))
    (units,) = (variable.numpy() for variable in model.variables if variable.shape == (size[0] * size[1], 13))
    distances = np.linalg.norm(vectors[:, np.newaxis] - units, axis=2)
    best = np.stack(np.divmod(distances.argmin(axis=1), size[1]), axis=1).tolist()
    asked = {name: tf.constant(values, tf.float32) for name, values in zip(names, table.T, strict=True)}
    assert model.signatures["best_matching_unit"](**asked)["best_matching_unit"].numpy().tolist() == best
    answers = [answer["outputs"] for answer in predict(project, WINES, str(path))]
    assert [answer["best_matching_unit"] for answer in answers] == best
    np.testing.assert_allclose([answer["distance"] for answer in answers], distances.min(axis=1), rtol=1e-3)


def read_numbers(project: Checkout, split: str, names: list[str]) -> np.ndarray:
    """The columns of a split of the map's rows, [N, columns], NaN where one is missing."""
    pattern = project.root / "artifacts" / WINES / "TableExampleGen/examples/*" / f"Split-{split}" / "*"
    records = read_examples([str(pattern)]).as_numpy_iterator()
    examples = [tf.train.Example.FromString(record).features.feature for record in records]
    return np.array([[next(iter(example[name].float_list.value), np.nan) for name in names] for example in examples])


def test_the_new_models_are_as_any_other_to_tests_lint_and_types(project):
    models = [*CASES, PICTURES, WINES]
    files = [f"{folder}/{name}.py" for name in models for folder in ("pipelines", "trainer_modules")]
    tests = [f"tests/trainer_modules/test_{name}.py" for name in models]
    python(project, "ruff", "check", *files, *tests)
    python(project, "ruff", "format", "--check", *files, *tests)
    python(project, "mypy")
    laws = [f"tests/test_laws.py::{law}" for law in LAWS] + ["tests/test_readme.py::test_readme_shows_every_command_and_every_model"]
    python(project, "pytest", "-q", "-p", "no:cacheprovider", "-o", "timeout=600", *tests, *laws)
