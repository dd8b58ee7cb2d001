"""TableExampleGen from text files to tf.Examples: what a cell becomes, what is refused, and into which split a row goes."""

import gzip
import json
import lzma
from pathlib import Path

import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types import standard_artifacts

from components.content_splits import DROPPED
from components.errors import DataRejected
from components.splits import SPLITS
from components.table_example_gen import readers
from components.table_example_gen.component import TableExampleGen
from components.table_example_gen.executor import Executor, find_tables, read_table
from components.table_example_gen.layout import Layout

BEAM = ["--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner", "--sdk_container_image=unused"]
SCHEMA = """
feature { name: "text" type: BYTES }
feature { name: "rooms" type: FLOAT }
feature { name: "age" type: INT }
feature { name: "label" type: INT }
"""
TEXT_AND_LABEL = 'feature { name: "text" type: BYTES } feature { name: "label" type: INT }'
NAMES = ("ham", "spam")


def layout(schema: str = SCHEMA, **changes: object) -> Layout:
    reader = {"schema": schema, "label": "label", "class_names": NAMES, "header": (), "delimiter": ",", "origin": "", "words": 0}
    return Layout.of(reader | changes)


def rows(folder: Path, name: str, content: str | bytes, found: Layout) -> list[tuple]:
    """The values that are read from a file of that content."""
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (source,) = find_tables(folder, name, found)
    return list(read_table(source).rows)


def test_cells_of_csv_become_values_of_the_schemas_types(tmp_path):
    content = '\ufefflabel,text,Rooms ,age,id\r\nspam,"two ""quoted""\nlines, one cell",3,40,1\r\nham, plain ,2.5,-7,2\r\n'
    assert rows(tmp_path, "a.csv", content, layout()) == [('two "quoted"\nlines, one cell', 3.0, 40, 1), (" plain ", 2.5, -7, 0)]


@pytest.mark.parametrize("cell", ["", "NA", "nan", " NULL "])
def test_missing_values(tmp_path, cell):
    assert rows(tmp_path, "a.csv", f"text,rooms,age,label\n,{cell},{cell},\n", layout()) == [(None, None, None, None)]


def test_a_text_that_looks_like_a_missing_number_is_a_text(tmp_path):
    assert rows(tmp_path, "a.csv", "text,rooms,age,label\nNA,1,1,ham\n", layout()) == [("NA", 1.0, 1, 0)]


@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress)])
def test_json_lines_compressed_or_not(tmp_path, suffix, pack):
    content = "\n".join(
        json.dumps(row) for row in ({"text": "a\u2028b", "rooms": 1, "age": 2.0, "label": 1}, {"text": None, "label": "ham", "other": [1]})
    )
    assert rows(tmp_path, f"a.jsonl{suffix}", pack(content.encode()), layout()) == [("a\u2028b", 1.0, 2, 1), (None, None, None, 0)]


def test_tab_separated_lines_without_names_quotes_or_other_line_ends(tmp_path):
    found = layout(TEXT_AND_LABEL, header=("label", "text"))
    content = 'ham\tOk "then\x85 u\u2028r\nspam\tWIN,\r\n'
    assert rows(tmp_path, "Messages", content, found) == [('Ok "then\x85 u\u2028r', 0), ("WIN,", 1)]


def test_a_header_is_told_by_its_names(tmp_path):
    found = layout(TEXT_AND_LABEL, header=("label", "text"))
    assert rows(tmp_path, "a.csv", "text,label\nhi,ham\n", found) == [("hi", 0)]


def test_the_file_a_row_is_from_can_be_a_feature(tmp_path):
    schema = TEXT_AND_LABEL + 'feature { name: "origin" type: BYTES }'
    found = layout(schema, origin="origin")
    assert rows(tmp_path, "yelp.csv.gz", gzip.compress(b"text,label\nhi,ham\n"), found) == [("hi", 0, "yelp")]


def test_classes_by_number_where_no_name_is_one(tmp_path):
    content = "text,label\nhi,1\n"
    assert rows(tmp_path, "a.csv", content, layout(TEXT_AND_LABEL)) == [("hi", 1)]
    assert rows(tmp_path, "b.csv", content.replace("1", "7"), layout(TEXT_AND_LABEL, class_names=("3", "7"))) == [("hi", 1)]
    with pytest.raises(DataRejected, match=r"expected label to be one of 3, 7 in .*, line 2, received '1'"):
        rows(tmp_path, "c.csv", content, layout(TEXT_AND_LABEL, class_names=("3", "7")))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "received an empty file"),
        ("a.csv", b"text,rooms,age\nx,1,2\n", "label missing; received text, rooms, age"),
        ("a.csv", b"text,rooms,age,label,label\n", "received 'label' twice"),
        ("a.csv", b"text,rooms,age,label\nx,1,2,ham\ny,1,2\n", "expected 4 cells in every row of .*, received 3 in line 3"),
        ("a.csv", b'text,rooms,age,label\n"x,1,2,ham\n', "expected CSV .* in line 2: unexpected end of data"),
        ("a.csv", b"text,rooms,age,label\nx,many,2,ham\n", "expected rooms to be a number in .*line 2, received 'many'"),
        ("a.csv", b"text,rooms,age,label\nx,1e999,2,ham\n", "expected rooms to be a finite number"),
        ("a.csv", b"text,rooms,age,label\nx,1,2.5,ham\n", "expected age to be an integer of 64 bits"),
        ("a.csv", b"text,rooms,age,label\nx,1,99999999999999999999,ham\n", "expected age to be an integer of 64 bits"),
        ("a.csv", b"text,rooms,age,label\nx,1,2,eggs\n", "expected label to be one of ham, spam"),
        ("a.csv", b"text,rooms,age,label\ncaf\xe9,1,2,ham\n", r"byte 0xe9 in line 2 \(byte 24 of the file\)"),
        ("a.jsonl", b"[" * 100_000, "expected a JSON object in line 1 of .* recursion"),
        ("a.csv.gz", b"not gzip", "to be a complete file"),
        ("a.jsonl", b'{"text": "x"}\n[1]\n', "expected a JSON object in line 2 of .*, received list"),
        ("a.jsonl", b"{\n", "expected a JSON object in line 1"),
        ("a.jsonl", b'{"text": 5, "label": 1}\n', "expected text to be text"),
        ("a.parquet", b"PAR1", "expected rows in a .csv, .tsv, .txt or .jsonl file"),
        ("test.csv", b"text,rooms,age,label\nx,1,2,ham\n", "received a test set only"),
    ],
)
def test_files_that_are_not_what_they_should_be(tmp_path, name, content, words):
    with pytest.raises(DataRejected, match=words) as caught:
        rows(tmp_path, name, content, layout())
    assert "\n" not in str(caught.value)


def test_a_few_bytes_that_unpack_to_many_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "LARGEST_FILE", 1000)
    with pytest.raises(DataRejected, match=r"expected at most 1000 bytes of text in .*a\.csv\.gz, received more"):
        rows(tmp_path, "a.csv.gz", gzip.compress(b"text,rooms,age,label\n" + b"0" * 10**6), layout())


def test_a_long_text_is_cut_into_rows_of_so_many_words(tmp_path):
    texts = layout('feature { name: "text" type: BYTES }', label="", class_names=(), header=("text",), words=3)
    assert rows(tmp_path, "a.txt", "a b  c d e f g\nshort one\n", texts) == [("a b c",), ("d e f",), ("g",), ("short one",)]


def test_the_digest_looks_past_case_white_space_and_label_only():
    found = layout()
    digest = found.digest(("Win  a PRIZE\n", 1.0, 2, 0))
    assert found.digest(("win a prize", 1.0, 2, 1)) == digest
    others = [("win a prize!", 1.0, 2, 0), ("win a prize", 1.5, 2, 0), ("win a prize", None, 2, 0), ("win a prize", 1.0, 3, 0)]
    assert digest not in {found.digest(other) for other in others}


def run(folder: Path, raw: Path, **changes: object) -> standard_artifacts.Examples:
    """Runs the executor as TFX does."""
    arguments = {"schema": SCHEMA, "label": "label", "class_names": NAMES} | changes
    component = TableExampleGen(str(raw), "*", **arguments)
    examples = standard_artifacts.Examples()
    examples.uri = str(folder)
    executor = Executor(Executor.Context(tmp_dir=str(folder / "tmp"), beam_pipeline_args=BEAM))
    executor.Do({}, {"examples": [examples]}, component.exec_properties)
    return examples


def read(examples: standard_artifacts.Examples) -> dict[str, list[dict[str, list]]]:
    """The examples of each split as plain values."""
    found = {}
    for split in SPLITS:
        files = sorted(str(path) for path in Path(examples.uri, f"Split-{split}").iterdir())
        records = tf.data.TFRecordDataset(files).as_numpy_iterator()
        features = [tf.train.Example.FromString(record).features.feature for record in records]
        found[split] = [{name: list(getattr(value, value.WhichOneof("kind")).value) for name, value in each.items()} for each in features]
    return found


def test_rows_are_split_by_content_and_missing_values_are_absent(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    lines = [f"message {number % 500},{'' if number % 500 % 7 == 0 else number % 500},1,ham" for number in range(1000)]
    (raw / "a.csv").write_text("text,rooms,age,label\n" + "\n".join(lines))
    found = read(run(tmp_path / "out", raw))
    texts = {split: {example["text"][0] for example in examples} for split, examples in found.items()}
    assert not texts["train"] & texts["validation"] and not texts["train"] & texts["test"] and not texts["validation"] & texts["test"]
    assert sum(map(len, found.values())) == 1000
    shares = {split: len(texts[split]) / 500 for split in SPLITS}
    assert shares == pytest.approx({"train": 0.7, "validation": 0.1, "test": 0.2}, abs=0.05)
    every = [example for examples in found.values() for example in examples]
    assert sum("rooms" not in example for example in every) == 2 * len(range(0, 500, 7))
    assert all(example["age"] == [1] and example["label"] == [0] for example in every)


def test_an_official_test_set_stays_whole_and_is_taken_out_of_train(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "a_train.csv").write_text("text,rooms,age,label\n" + "\n".join(f"m{number},1,1,ham" for number in range(200)))
    (raw / "a_test.csv").write_text("text,rooms,age,label\n" + "\n".join(f"M{number},1,1,spam" for number in range(150, 250)))
    examples = run(tmp_path / "out", raw)
    found = read(examples)
    assert {example["text"][0].decode() for example in found["test"]} == {f"M{number}" for number in range(150, 250)}
    assert {example["text"][0].decode() for split in ("train", "validation") for example in found[split]} == {f"m{n}" for n in range(150)}
    assert examples.get_int_custom_property(DROPPED) == 50


def test_too_few_rows_for_three_splits(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "a.csv").write_text("text,rooms,age,label\nx,1,2,ham\n")
    with pytest.raises(DataRejected, match="expected enough rows for train, validation and test, received 1"):
        run(tmp_path / "out", raw)


def test_the_schema_of_a_layout_keeps_its_order():
    schema = text_format.Parse(SCHEMA, schema_pb2.Schema())
    assert [name for name, _ in layout().types] == [feature.name for feature in schema.feature]
