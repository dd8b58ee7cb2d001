"""`darsena batch`: every format in and out, in order, bad rows told, and gone on with after an interruption."""

import csv
import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import tensorflow as tf

from components.errors import DataRejected
from pipelines.common.batches import answering, reading, running
from pipelines.common.engines.options import Engine, beam_args
from tests.serving import foreign
from tests.signed import sign

MODEL = "house_prices"
ROWS = 25


class Sums(tf.Module):
    """Of a number and the length of a text: their sum, and a vector; a number over 1000 is refused."""

    def __init__(self) -> None:
        super().__init__()
        self.one = tf.Variable(1.0)

    def answer(self, x: tf.Tensor, word: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([tf.debugging.assert_less(x, 1000.0, message="x is too large")]):
            length = tf.cast(tf.strings.length(word), tf.float32)
        return {"total": (x + length)[:, None] * self.one, "both": tf.stack([x, length], axis=1)}

    def examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {"x": tf.io.FixedLenFeature([], tf.float32), "word": tf.io.FixedLenFeature([], tf.string)}
        return self.answer(**tf.io.parse_example(examples, spec))


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Path:
    """A root with versions 1 and 2 of such a model."""
    root, module = tmp_path_factory.mktemp("root"), Sums()
    specs = [tf.TensorSpec([None], tf.float32, name="x"), tf.TensorSpec([None], tf.string, name="word")]
    raw = tf.function(module.answer, input_signature=specs)
    examples = tf.function(module.examples, input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    for version, factor in ((1, 1.0), (2, 2.0)):
        module.one.assign(factor)
        folder = root / "serving" / MODEL / str(version)
        tf.saved_model.save(module, str(folder), signatures={"raw": raw, "serving_default": examples})
        sign(folder)
    return root


def values(number: int) -> tuple[float, str]:
    return number / 10, "wört" * (number % 3)


def example(x: float, word: str) -> bytes:
    features = {
        "x": tf.train.Feature(float_list=tf.train.FloatList(value=[x])),
        "word": tf.train.Feature(bytes_list=tf.train.BytesList(value=[word.encode()])),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def write_rows(path: Path, count: int = ROWS) -> Path:
    """Rows with a name each, in the format of the file's name."""
    rows = [{"id": f"r{number}", "x": values(number)[0], "word": values(number)[1], "more": 'a\n"b"'} for number in range(count)]
    kind = path.name.split(".", 1)[1]
    if kind == "csv":
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif kind == "jsonl.gz":
        path.write_bytes(gzip.compress("\n\n".join(json.dumps(row) for row in rows).encode()))
    elif kind == "parquet":
        pa.parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=7)
    else:
        with tf.io.TFRecordWriter(str(path)) as writer:
            for number in range(count):
                writer.write(example(*values(number)))
    return path


def read_answers(path: Path) -> list[dict]:
    """Answers, keys as texts."""
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return [{"key": row["key"], "total": float(row["total"]), "both": json.loads(row["both"])} for row in csv.DictReader(file)]
    if path.suffix == ".gz":
        return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    if path.suffix == ".parquet":
        return pa.parquet.read_table(path).to_pylist()
    found = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        key = feature["key"].bytes_list.value[0].decode() if feature["key"].bytes_list.value else feature["key"].int64_list.value[0]
        found.append({"key": key, "total": feature["total"].float_list.value[0], "both": list(feature["both"].float_list.value)})
    return found


@pytest.mark.parametrize(
    ("source", "output", "key"),
    [
        ("rows.csv", "out.csv", "id"),
        ("rows.jsonl.gz", "out.jsonl.gz", "id"),
        ("rows.parquet", "out.parquet", "id"),
        ("rows.tfrecord", "out.tfrecord", ""),
    ],
)
def test_every_format_in_order(darsena, served, tmp_path, source, output, key):
    rows = write_rows(tmp_path / source)
    ended = darsena("batch", MODEL, rows, tmp_path / output, "--part", 10, "--root", served, "--json", *(["--key", key] if key else []))
    assert ended.code == 0, ended.err
    assert {name: ended.json[name] for name in ("answers", "bad", "bad_rows", "version", "parts", "kept_parts")} == {
        "answers": ROWS, "bad": None, "bad_rows": 0, "version": 2, "parts": 3, "kept_parts": 0
    }  # fmt: skip
    found = read_answers(tmp_path / output)
    assert [str(answer["key"]) for answer in found] == [f"r{number}" if key else str(number) for number in range(ROWS)]
    for number, answer in enumerate(found):
        x, word = values(number)
        size = len(word.encode())
        assert answer["total"] == pytest.approx(2 * (x + size), rel=1e-6) and answer["both"] == pytest.approx([x, size], rel=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source, output])


def test_bad_rows_are_told_with_their_reasons_and_do_not_stop_the_others(darsena, served, tmp_path):
    lines = [f'{{"x": {number}, "word": "w"}}' for number in range(12)]
    lines[1], lines[3], lines[5], lines[7] = '{"x": 1,', '{"word": "w"}', '{"x": "many", "word": "w"}', "[1]"
    lines[9], lines[11] = '{"x": 5000, "word": "w"}', "\udcff"
    (tmp_path / "rows.jsonl").write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    ended = darsena("batch", MODEL, tmp_path / "rows.jsonl", tmp_path / "out.jsonl", "--part", 4, "--version", 1, "--root", served)
    assert ended.code == 0 and "6 rows without an answer" in ended.out
    answers = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(answer["key"], answer["total"]) for answer in answers] == [(number, number + 1.0) for number in range(0, 12, 2)]
    bad = [json.loads(line) for line in (tmp_path / "out.jsonl.bad.jsonl").read_text().splitlines()]
    assert [each["row"] for each in bad] == [1, 3, 5, 7, 9, 11]
    reasons = ("expected JSON", "x: float32, received none", "many", "a JSON object, received list", "x is too large", "UTF-8")
    for each, said in zip(bad, reasons, strict=True):
        assert said in each["reason"] and "\n" not in each["reason"]


def test_a_row_of_csv_with_too_many_cells_and_one_without_a_key(darsena, served, tmp_path):
    (tmp_path / "rows.csv").write_text("id,x,word\na,1,w\nb,2,w,3\n,3,w\nd,4,\n")
    assert darsena("batch", MODEL, tmp_path / "rows.csv", tmp_path / "out.csv", "--key", "id", "--root", served).code == 0
    assert [(answer["key"], answer["total"]) for answer in read_answers(tmp_path / "out.csv")] == [("a", 4.0), ("d", 8.0)]
    bad = [json.loads(line) for line in (tmp_path / "out.csv.bad.jsonl").read_text().splitlines()]
    assert [(each["row"], each["key"], each["reason"]) for each in bad] == [
        (1, None, "expected 3 cells, received 4"),
        (2, None, "expected a key in id, received none"),
    ]


class Interrupted(Exception):
    """Stands for a kill."""


def test_an_interrupted_batch_goes_on_with_what_is_left(darsena, served, tmp_path, monkeypatch):
    rows, whole = write_rows(tmp_path / "rows.csv"), tmp_path / "whole.csv"
    arguments = ("--part", 5, "--root", served, "--json")
    darsena("batch", MODEL, rows, whole, *arguments)
    asked: list[int] = []
    original = answering.rows_of

    def counted(source: reading.Source, part: reading.Part):
        asked.append(part.number)
        if len(asked) == 3:
            raise Interrupted
        return original(source, part)

    monkeypatch.setattr(answering, "rows_of", counted)
    with pytest.raises(RuntimeError, match="Interrupted"):
        darsena("batch", MODEL, rows, tmp_path / "out.csv", *arguments)
    assert not (tmp_path / "out.csv").exists()
    resumed = darsena("batch", MODEL, rows, tmp_path / "out.csv", *arguments)
    assert (resumed.code, resumed.json["kept_parts"], resumed.json["parts"]) == (0, 2, 5)
    assert sorted(asked[:2] + asked[3:]) == [0, 1, 2, 3, 4]
    assert (tmp_path / "out.csv").read_bytes() == whole.read_bytes()


def test_what_is_left_of_another_batch_is_not_taken(served, tmp_path, monkeypatch):
    from pipelines.common.layout import load_model

    rows, options = write_rows(tmp_path / "rows.csv"), {"key": "", "size": 5, "beam_args": beam_args(Engine())}
    versions = [served / "serving" / MODEL / number for number in ("1", "2")]
    with monkeypatch.context() as patch:
        patch.setattr(running, "merge", lambda *_: (_ for _ in ()).throw(Interrupted))
        with pytest.raises(Interrupted):
            running.answer_file(load_model(MODEL), versions[0], rows, tmp_path / "out.csv", **options)
    found = running.answer_file(load_model(MODEL), versions[1], rows, tmp_path / "out.csv", **options)
    assert found.kept == 0 and read_answers(tmp_path / "out.csv")[10]["total"] == pytest.approx(2 * (1.0 + 5))


@pytest.mark.parametrize(
    ("content", "name", "code", "said"),
    [
        ("id,x,word\n", "rows.csv", 4, "expected rows in"),
        ("", "rows.csv", 4, "different names of columns"),
        ("x,x\n1,2\n", "rows.csv", 4, "different names of columns"),
        ('x,word\n1,"open\n', "rows.csv", 4, "expected to read"),
        ("x\n1\n", "rows.csv", 4, "Of row 0: expected a value for the input word"),
        ("x\n1\n", "rows.xlsx", 2, "expected a file of .csv"),
        ("not compressed", "rows.csv.gz", 4, "expected to read"),
        ("0123456789abcdef0123", "rows.tfrecord", 4, "the record at byte 0 has a damaged length"),
    ],
)
def test_files_that_cannot_be_answered(darsena, served, tmp_path, content, name, code, said):
    (tmp_path / name).write_text(content)
    ended = darsena("batch", MODEL, tmp_path / name, tmp_path / "out.csv", "--root", served)
    assert ended.code == code and said in ended.err and ended.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_rows_that_are_not_what_their_checksum_is_of_are_refused(darsena, served, tmp_path):
    rows = write_rows(tmp_path / "rows.csv")
    (tmp_path / "SHA256SUMS").write_text(f"{hashlib.sha256(rows.read_bytes()).hexdigest()}  rows.csv\n")
    assert darsena("batch", MODEL, rows, tmp_path / "good.csv", "--root", served).code == 0
    rows.write_text(rows.read_text().replace("0.1", "9.1"))
    ended = darsena("batch", MODEL, rows, tmp_path / "out.csv", "--root", served)
    assert ended.code == 4 and f"expected {rows} to have the sha256" in ended.err
    assert not (tmp_path / "out.csv").exists()


def test_a_version_that_could_do_more_than_calculate_does_not_answer(darsena, tmp_path):
    rows, marker = write_rows(tmp_path / "rows.csv"), tmp_path / "marker"
    sign(foreign.export(foreign.WritesOnLoading(str(marker)), tmp_path / "root/serving" / MODEL / "1"))
    marker.unlink(missing_ok=True)
    ended = darsena("batch", MODEL, rows, tmp_path / "out.csv", "--root", tmp_path / "root")
    assert ended.code == 1 and ended.err.startswith("darsena: expected operations that only calculate, received WriteFile")
    assert ended.err.count("\n") == 1 and not marker.exists()


def test_mistakes_are_one_line_and_leave_what_is_there(darsena, served, tmp_path):
    rows = write_rows(tmp_path / "rows.csv")
    (tmp_path / "there.csv").write_text("mine")
    for arguments, said in (
        ((rows, tmp_path / "there.csv"), "expected no file at"),
        ((rows, tmp_path / "none/out.csv"), "expected a folder"),
        ((rows, tmp_path / "out.csv", "--version", 7), "to be one of 1, 2"),
        ((rows, tmp_path / "out.csv", "--label", "stable"), "labels (none), received 'stable'"),
        ((rows, tmp_path / "out.doc"), "expected a file of .csv"),
    ):
        ended = darsena("batch", MODEL, *arguments, "--root", served)
        assert ended.code == 2 and said in ended.err and ended.err.count("\n") == 1
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_a_record_that_is_cut_or_changed_is_found(tmp_path):
    content = write_rows(tmp_path / "rows.tfrecord", 3).read_bytes()
    size = len(content) // 3
    for broken, place in ((content[:-3], 2 * size), (content[: size + 30] + b"#" + content[size + 31 :], size)):
        (tmp_path / "broken.tfrecord").write_bytes(broken)
        with pytest.raises(DataRejected, match=r"the record at byte \d+ is damaged or cut short"):
            reading.parts_of(reading.open_source(tmp_path / "broken.tfrecord", ","), 2)
        assert place > 0


def test_a_key_is_needed_where_one_is_asked_for():
    rows = [{"id": 7, "x": 1}, reading.Bad("broken"), {"id": None, "x": 1}]
    keys, good, bad = answering.split(rows, 10, "id")
    assert keys == [(10, "7")] and good == rows[:1] and [each["row"] for each in bad] == [11, 12]


@pytest.mark.parametrize(
    ("outputs", "task", "expected"),
    [
        (
            {"probability": [[0.75], [0.25]]},
            "binary",
            {"class": ["yes", "no"], "class_probability": [0.75, 0.75], "probability": [0.75, 0.25]},
        ),
        (
            {"probabilities": [[0.9, 0.1], [0.2, 0.8]]},
            "multiclass",
            {"class": ["no", "yes"], "class_probability": [0.9, 0.8], "probabilities": [[0.9, 0.1], [0.2, 0.8]]},
        ),
        ({"prediction": [[1.5], [2.5]]}, "regression", {"prediction": [1.5, 2.5]}),
    ],
)
def test_columns_of_answers(tmp_path, outputs, task, expected):
    names = () if task == "regression" else ("no", "yes")
    job = answering.Job(reading.Source(tmp_path, reading.CSV), tmp_path, tmp_path, class_names=names, task=task)
    table = answering.AnswerPart(job)._table([3, 4], {name: np.array(values) for name, values in outputs.items()})
    assert table.to_pydict() == {"key": [3, 4], **expected}
