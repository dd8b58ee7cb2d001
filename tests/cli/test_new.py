"""`darsena new`: what it tells of the data, what it writes, and that it writes nothing where something is wrong."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.scaffold.test_writing import README, contents

REPOSITORY = Path(__file__).resolve().parents[2]
HEADER = ["id", "Area (m²)", "town", "sold on", "remark", "currency", "price"]
NEW = ("schemas/my_homes/schema.pbtxt", "trainer_modules/my_homes.py", "tests/trainer_modules/test_my_homes.py", "pipelines/my_homes.py")


def rows(count: int = 80) -> list[list[object]]:
    """Rows with every kind of column, missing values among them; the last one has no label."""
    towns, words = ("Genova", 'La "Spezia"', "Bari"), ("calm", "loud", "near the sea,", "\nwith a garden")
    found: list[list[object]] = []
    for n in range(count):
        area = "" if n % 7 == 0 else 30 + n * 17 % 83 / 2
        remark = " ".join(words[n * k % 4] for k in range(1, 6)) + f" {n}"
        found.append(
            [n, area, towns[n % 3], f"{n % 28 + 1}.{n % 12 + 1}.2020", remark, "EUR", "" if n == count - 1 else 1000 * (n % 13) + 7]
        )
    return found


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """A repository with nothing in it but a README and the folder of the shared code."""
    folder = tmp_path / "clone"
    (folder / "pipelines" / "common").mkdir(parents=True)
    (folder / "pipelines" / "common" / "code.py").write_text("speed = 1\n")
    (folder / "README.md").write_text(README)
    monkeypatch.setattr("pipelines.common.scaffold.names.REPOSITORY", folder)
    return folder


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / "homes.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file, delimiter=";").writerows([HEADER, *rows()])
    return path


def test_the_review_tells_every_column_the_label_and_the_gate(darsena, repository, table, tmp_path):
    ended = darsena("new", "my_homes", "--csv", table, "--label", "price", "--root", tmp_path / "root")
    assert (ended.code, ended.err) == (0, "")
    lines = {line.split("  ")[0]: " ".join(line.split()) for line in ended.out.splitlines()}
    assert lines["id"] == "id dropped 79 left out: all values differ: a number of the row"
    assert lines["Area (m²)"].startswith("Area (m²) number 15.2%") and "a missing one is the median and marked" in lines["Area (m²)"]
    assert lines["town"] == 'town category 3 Bari, Genova, La "Spezia" one of 3 values'
    assert lines["sold on"] == "sold on date 79 day-month-year day, year, month, weekday"
    assert lines["remark"].startswith("remark text 79 read word by word")
    assert lines["currency"] == "currency dropped 1 left out: constant"
    assert lines["rows"] == "rows 79 (1 more have no label and are left out), delimiter: semicolon"
    assert lines["label"] == "label price: regression"
    assert lines["gate"].startswith("gate RootMeanSquaredError ≤ ")
    assert lines["next"] == f"next darsena run my_homes --root {tmp_path / 'root'}"
    assert [line.split()[1] for line in ended.out.splitlines() if line.startswith("wrote")] == [
        *(str(repository / path) for path in ("README.md", *NEW)),
        str(tmp_path / "root" / "data" / "my_homes-sample"),
    ]


def test_a_map_tells_its_columns_its_size_and_its_gates(darsena, repository, table, tmp_path):
    ended = darsena("new", "my_homes", "--csv", table, "--map", "--root", tmp_path / "root")
    assert (ended.code, ended.err) == (0, "")
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert any(line.startswith("Area (m²) number 15.0%") and line.endswith("scaled, a missing one is the mean") for line in lines)
    assert "rows 80, delimiter: semicolon" in lines and "map 7 by 6 units" in lines
    assert [line.split(" (")[0].split(" ≤ ")[0] for line in lines if line.startswith("gate")] == [
        "gate QuantizationError",
        "gate TopographicError",
    ]
    assert (
        "| `my_homes` | lays out rows on a map by 2 numbers, so that like ones lie side by side | 80 rows of homes.csv |"
        in (contents(repository)["README.md"])
    )


def test_the_five_files_and_the_rows_with_a_label_are_written(darsena, repository, table, tmp_path):
    found = darsena("new", "my_homes", "--csv", table, "--label", "price", "--root", tmp_path / "root", "--json").json
    assert (found["name"], found["rows"], found["rows_without_label"], found["label"]["task"]) == ("my_homes", 79, 1, "regression")
    assert [column["kind"] for column in found["columns"]] == ["dropped", "number", "category", "date", "text", "dropped"]
    assert all(Path(path).exists() for path in found["written"])
    written = contents(repository)
    assert (
        "| `my_homes` | predicts price from numbers, categories, dates and texts of a row | 79 rows of homes.csv |" in written["README.md"]
    )
    schema = written["schemas/my_homes/schema.pbtxt"]
    assert 'name: "area_m2"' in schema and 'value: "La \\"Spezia\\""' in schema and 'name: "id"' not in schema
    with (tmp_path / "root" / "data" / "my_homes-sample" / "rows.csv").open(newline="") as file:
        copied = list(csv.reader(file, delimiter=";"))
    assert copied == [HEADER, *([str(cell) for cell in row] for row in rows()[:-1])]


def test_the_schema_allows_the_data_and_knows_its_types(darsena, repository, table, tmp_path):
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    darsena("new", "my_homes", "--csv", table, "--label", "price", "--root", tmp_path / "root")
    schema = text_format.Parse((repository / NEW[0]).read_text(), schema_pb2.Schema())
    features = {feature.name: feature for feature in schema.feature}
    assert list(features) == ["area_m2", "town", "sold_on", "remark", "price"]
    area = features["area_m2"]
    assert (area.type, area.presence.min_fraction, area.value_count.max) == (schema_pb2.FLOAT, pytest.approx(1 - 2 * 12 / 79, abs=0.006), 1)
    areas = [row[1] for row in rows()[:-1] if row[1] != ""]
    assert area.float_domain.min == 0 and area.float_domain.max == pytest.approx(2 * max(areas) - min(areas), rel=0.01)
    assert list(features["town"].string_domain.value) == ["Bari", "Genova", 'La "Spezia"']
    assert features["town"].HasField("shape") and not features["remark"].HasField("string_domain")
    assert list(features["price"].not_in_environment) == ["SERVING"]
    # A date is always another one later: how far it moves says nothing.
    assert [name for name, feature in features.items() if feature.HasField("skew_comparator")] == ["area_m2", "town", "remark"]
    assert features["town"].drift_comparator.infinity_norm.threshold == pytest.approx(0.1)
    assert features["remark"].drift_comparator.jensen_shannon_divergence.threshold == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("label", "options"),
    [
        ("price", []),
        ("town", []),
        ("town", ["--text", "remark"]),
        ("cheap", ["--task", "multiclass"]),
        ("cheap", []),
        ("", ["--map"]),
    ],
    ids=["regression", "multiclass", "with text", "two as many", "rare", "map"],
)
def test_the_code_is_as_ruff_wants_it(darsena, repository, tmp_path, label, options):
    path = tmp_path / "homes.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        # Names of columns and classes that would break code and comments, and long ones.
        odd = ["cheap", 'a "quoted" \\ name\nof two lines', "percent%{{ x }}"]
        writer.writerow([*HEADER, *odd])
        writer.writerows([*row, "yes" if n % 9 == 0 else 'it\'s "no"', f"k{n % 4}", n % 5] for n, row in enumerate(rows()))
    ended = darsena("new", "my_homes", "--csv", path, *(["--label", label] if label else []), *options, "--root", tmp_path / "root")
    assert ended.code == 0, ended.err
    for name in NEW[1:]:
        text = (repository / name).read_text()
        compile(text, name, "exec")
        # Here alone the pipeline's module is not there to be found.
        ours = ["--config", 'lint.isort.known-first-party = ["pipelines"]']
        for command in (["check", "--no-cache", *ours], ["format", "--diff"]):
            ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(REPOSITORY / name), "-"]
            done = subprocess.run(ruff, input=text, capture_output=True, text=True, check=False, cwd=REPOSITORY)
            assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["my_homes"], 2, "expected either --csv FILE or --images FOLDER, received neither"),
        (["my_homes", "--csv", "{csv}"], 2, "expected --label COLUMN with --csv"),
        (["my_homes", "--csv", "{csv}", "--label", "Prise"], 2, "received 'Prise'. Did you mean 'price'?"),
        (["my_homes", "--csv", "{csv}", "--label", "price", "--text", "remarks"], 2, "Did you mean 'remark'?"),
        (["my_homes", "--csv", "{csv}", "--label", "price", "--text", "price"], 2, "expected --text to be another column than --label"),
        (["my_homes", "--csv", "{csv}", "--label", "price", "--task", "binary"], 2, "expected two values of price for --task binary"),
        (["my_homes", "--csv", "{csv}", "--label", "price", "--task", "ordinal"], 2, "'ordinal' is not one of"),
        (["my_homes", "--csv", "{csv}", "--label", "currency"], 4, "received 'EUR' on all rows"),
        (["my_homes", "--csv", "none.csv", "--label", "price"], 2, "'none.csv' does not exist"),
        (["my_homes", "--csv", "{csv}", "--images", "{folder}", "--label", "price"], 2, "received both"),
        (["my_homes", "--images", "{folder}", "--label", "price"], 2, "expected no --label, --text or --task with --images"),
        (["my_homes", "--map"], 2, "expected --csv FILE alone with --map, which goes by all columns of numbers, received no --csv"),
        (["my_homes", "--map", "--csv", "{csv}", "--label", "price"], 2, "received --label"),
        (["my_homes", "--map", "--csv", "{csv}", "--text", "remark", "--task", "binary"], 2, "received --text, --task"),
        (["my_homes", "--map", "--images", "{folder}"], 2, "received --images"),
        (["my_homes", "--map", "--csv", "{csv}", "--images", "{folder}"], 2, "received --images"),
        (["My Homes", "--csv", "{csv}", "--label", "price"], 2, "received 'My Homes'. Did you mean 'my_homes'?"),
        (["class", "--csv", "{csv}", "--label", "price"], 2, "received 'class'"),
        (["common", "--csv", "{csv}", "--label", "price"], 2, "received 'common'"),
        (["speed", "--csv", "{csv}", "--label", "price"], 2, "Choose another, such as my_speed."),
        (["my_homes", "--csv", "{csv}", "--label", "price", "--root", "a[b]"], 2, "expected a --root without [ ]"),
    ],
)
def test_wrong_input_is_one_line_and_nothing_is_written(darsena, repository, table, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)
    ended = darsena("new", *(argument.format(csv=table, folder=tmp_path) for argument in arguments))
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err and ended.err.count("\n") == 1
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,price\n" + "1,2\n" * 60, "received '2' on all rows"),
        ("a,price\n" + "".join(f"5,{n}\n" for n in range(60)), "expected a column of {csv} to learn from, received a (constant)"),
        ("a b,a-b,price\n" + "".join(f"{n % 7},{n % 5},{n}\n" for n in range(60)), "received 'a b' and 'a-b', which would both be a_b"),
        ("a,price\n" + "".join(f"{n % 7},{n}\n" for n in range(20)), "expected at least 50 rows with a value of price, received 20"),
        ("a,price\n1,2\n1\n", "received 1 in line 3"),
    ],
)
def test_data_without_anything_to_learn_is_one_line_and_nothing_is_written(darsena, repository, tmp_path, content, said):
    path = tmp_path / "data.csv"
    path.write_text(content)
    before = contents(tmp_path)
    ended = darsena("new", "my_homes", "--csv", path, "--label", "price", "--root", tmp_path / "root")
    assert (ended.code, ended.out) == (4, "")
    assert said.format(csv=path) in ended.err and ended.err.count("\n") == 1
    assert contents(tmp_path) == before


@pytest.mark.parametrize("left", [*NEW, "data"])
def test_a_name_is_taken_by_any_file_of_a_model(darsena, repository, table, tmp_path, left):
    arguments = ("new", "my_homes", "--csv", table, "--label", "price", "--root", tmp_path / "root")
    assert darsena(*arguments).code == 0
    data = tmp_path / "root" / "data" / "my_homes-sample"
    for name in NEW:
        if name != left:
            (repository / name).unlink()
    if left != "data":
        (data / "rows.csv").unlink()
        data.rmdir()
    before = contents(tmp_path)
    again = darsena(*arguments)
    assert again.code == 2 and f"of which there is {data if left == 'data' else repository / left}" in again.err
    assert contents(tmp_path) == before


def test_a_folder_that_cannot_be_written_is_one_line_and_leaves_nothing(darsena, repository, table, tmp_path):
    (repository / "schemas").write_text("a file where a folder should be")
    before = contents(tmp_path)
    ended = darsena("new", "my_homes", "--csv", table, "--label", "price", "--root", tmp_path / "root")
    assert ended.code == 1 and "expected to write under" in ended.err and ended.err.count("\n") == 1
    assert contents(tmp_path) == before


@pytest.fixture
def pictures(tmp_path) -> Path:
    """Dark and light pictures of two sizes and formats."""
    for n in range(60):
        folder = tmp_path / "pictures" / ("night" if n % 3 == 0 else "day")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.full((40, 50 + n % 2, 3), 20 if n % 3 == 0 else 200, np.uint8)
        pixels[0, 0] = n
        Image.fromarray(pixels).save(folder / f"{n}.{'png' if n % 2 else 'jpg'}")
    return tmp_path / "pictures"


def test_folders_of_pictures_become_a_classifier(darsena, repository, pictures, tmp_path):
    ended = darsena("new", "my_views", "--images", pictures, "--root", tmp_path / "root")
    assert (ended.code, ended.err) == (0, "")
    assert "pictures  60 of 50x40 to 51x40" in ended.out and "(day 40, night 20)" in ended.out
    copied = sorted(str(path.relative_to(tmp_path / "root" / "data" / "my_views-sample")) for path in tmp_path.glob("root/data/*/*/*"))
    assert copied == sorted(str(path.relative_to(pictures)) for path in pictures.glob("*/*"))
    schema = (repository / "schemas" / "my_views" / "schema.pbtxt").read_text()
    assert schema.count("_comparator") == 2
    assert "int_domain { min: 20 max: 80 }" in schema and "int_domain { min: 25 max: 102 }" in schema
    assert 'class_names=("day", "night")' in (repository / "pipelines" / "my_views.py").read_text()
    assert "SIDE = 32\nCLASSES = 2\n" in (repository / "trainer_modules" / "my_views.py").read_text()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "day" / "a.txt").write_text("x"), "received a.txt"),
        (lambda folder: (folder / "day" / "a.png").write_text("x"), "a.png to be a PNG, JPEG or BMP picture"),
        (lambda folder: [path.unlink() for path in sorted(folder.glob("night/*"))[4:]], "received 44 in 2"),
        (lambda folder: [path.rename(folder / "day" / f"n{path.name}") for path in folder.glob("night/*")], "received 60 in 1"),
        (lambda folder: (folder / "stray.png").write_bytes(b""), "at the same depth"),
    ],
)
def test_pictures_that_are_not_as_they_should_be_are_one_line(darsena, repository, pictures, tmp_path, spoil, said):
    spoil(pictures)
    before = contents_of_names(tmp_path)
    ended = darsena("new", "my_views", "--images", pictures, "--root", tmp_path / "root")
    assert ended.code == 4 and said in ended.err and ended.err.count("\n") == 1
    assert contents_of_names(tmp_path) == before


def contents_of_names(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


def test_looking_at_a_table_loads_nothing_heavy(table, tmp_path):
    code = (
        "import json, sys; from pathlib import Path; from pipelines.common.scaffold.rows import draft_of_rows;"
        f"draft_of_rows('my_homes', Path({str(table)!r}), 'price', 'auto', None);"
        "print(json.dumps(sorted({'tensorflow', 'numpy', 'tfx', 'keras', 'apache_beam'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True, timeout=60)
    assert json.loads(done.stdout) == []
