"""Bytes that change on their way: single ones, and ends that are lost, in every format that is read."""

from __future__ import annotations

import csv
import dataclasses
import functools
import gzip
import io
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import tensorflow as tf
from PIL import Image

from components import checksums, golden
from components.episode_example_gen import executor as episodes
from components.errors import DataRejected
from components.files import list_files
from components.image_example_gen import encoded, readers
from components.image_example_gen.executor import read_images
from components.records import shard_name
from components.table_example_gen import executor as tables
from components.table_example_gen.layout import Layout
from pipelines.common.batches import reading
from reliability.section import Row, Section
from tests.components.raw_images import digits, idx, png
from trainer_modules.common import input_data

TEXT = """One byte of a file was changed to another, or the file was cut, at places drawn by a seed; then it was read as the product
reads it: TFRecords as a Trainer, the validator and `darsena batch` do, raw data as the ExampleGens and `darsena batch` do, with the
SHA256SUMS that was made of it beside it. A fault did harm if what was read differs and nobody said so, or if what was said does not name
the file. The naive version has no SHA256SUMS: what it did not notice is what the format itself cannot tell. Harmless is what was read as
before. The shards between components need none: each record has a checksum, and a shard's name says how many records it has.
"""
RECORDS, PICTURES = 40, 12
TOLD, HARMLESS, SILENT = "told", "harmless", "silent"
GOOD = (TOLD, HARMLESS)
SCHEMA = 'feature { name: "text" type: BYTES } feature { name: "rooms" type: FLOAT } feature { name: "label" type: INT }'
LAYOUT = Layout.of({"schema": SCHEMA, "label": "label", "class_names": (), "header": (), "delimiter": ",", "origin": "", "words": 0})
ROWS = [{"text": f"a house, the {number}th of its street", "rooms": number / 4, "label": number % 2} for number in range(RECORDS)]


@dataclasses.dataclass(frozen=True)
class Format:
    """A format of data.

    Attributes:
        files: content by path.
        read: what a folder with such files holds, in a form that can be compared.
        summed: whether SHA256SUMS can be beside it; what a run keeps between its components has none.
    """

    files: dict[str, bytes]
    read: Callable[[Path], Any]
    summed: bool = True


def examples(find: Callable[[Path], Any], read: Callable[[Any], Any], *caches: Any) -> Callable[[Path], list[bytes]]:
    """A reader: the tf.Examples that an ExampleGen makes of a folder."""

    def examples_of(folder: Path) -> list[bytes]:
        for cache in caches:
            cache.cache_clear()
        blocks = [read(source) for source in find(folder)]
        return [record for block in blocks for record in block.serialize(np.arange(len(block)))]

    return examples_of


def batch_rows(folder: Path) -> list[Any]:
    """A reader: the rows that `darsena batch` answers, in parts; rows that it would tell are bad are errors here."""
    (path,) = (path for path in folder.iterdir() if path.name != checksums.FILE)
    checksums.check_sums(folder, [path])
    source = reading.open_source(path, ",")
    rows = [row for part in reading.parts_of(source, RECORDS // 4) for row in reading.rows_of(source, part)]
    for number, row in enumerate(rows):
        if isinstance(row, reading.Bad):
            raise DataRejected(f"row {number} of {path}: {row.reason}")
    return rows


def trainer_records(folder: Path) -> list[bytes]:
    """A reader: the records that a Trainer reads."""
    return list(input_data.read_examples([str(folder / "*")]).as_numpy_iterator())


def bytes_of(write: Callable[[Any], object]) -> bytes:
    """What is written into a file."""
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def jpeg(image: np.ndarray) -> bytes:
    """A JPEG file."""
    return bytes_of(lambda file: Image.fromarray(image).save(file, "JPEG"))


def tfrecords(folder: Path, compression: str | None) -> bytes:
    """A file of tf.Examples."""
    with tf.io.TFRecordWriter(str(folder / "records"), compression) as writer:
        for row in ROWS:
            example = tf.train.Example()
            example.features.feature["text"].bytes_list.value.append(str(row["text"]).encode())
            example.features.feature["rooms"].float_list.value.append(float(str(row["rooms"])))
            writer.write(example.SerializeToString(deterministic=True))
    return (folder / "records").read_bytes()


def csv_text(delimiter: str) -> bytes:
    """The rows, with names above them."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(ROWS[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(ROWS)
    return text.getvalue().encode()


def formats(folder: Path) -> Iterator[tuple[str, Format]]:
    """The formats, by what reads them."""
    plain, packed = tfrecords(folder, None), tfrecords(folder, "GZIP")
    for what, name, content in (("TFRecord", shard_name(0, 1, RECORDS), plain), ("TFRecord.gz", "records.gz", packed)):
        yield f"{what}, Trainer", Format({name: content}, trainer_records, summed=False)
        yield f"{what}, validator", Format({name: content}, golden.read_records, summed=False)
    yield "TFRecord, batch", Format({"rows.tfrecord": plain}, batch_rows)
    images, labels = digits(PICTURES)
    images_of = examples(lambda found: readers.find_sources(found, "*"), read_images, readers.load)
    raw = {"train-images-idx3-ubyte": idx(images), "train-labels-idx1-ubyte": idx(labels)}
    yield "IDX", Format(raw, images_of)
    yield "IDX.gz", Format({f"{name}.gz": gzip.compress(content) for name, content in raw.items()}, images_of)
    yield "NPZ", Format({"digits.npz": bytes_of(lambda file: np.savez_compressed(file, x=images, y=labels))}, images_of)
    pictures_of = examples(lambda found: readers.find_sources(found, "*/*"), read_images, readers.load)
    encoded_of = examples(lambda found: encoded.find_encoded(found, "*/*", ()), encoded.load_encoded, encoded.load_encoded)
    yield "PNG", Format({f"{label}/{row}.png": png(images[row]) for row, label in enumerate(labels)}, pictures_of)
    large, _ = digits(PICTURES, size=48)
    jpegs = {f"{label}/{row}.jpg": jpeg(large[row]) for row, label in enumerate(labels)}
    yield "JPEG", Format(jpegs, pictures_of)
    yield "JPEG that stays encoded", Format(jpegs, encoded_of)
    tables_of = examples(lambda found: tables.find_tables(found, "*", LAYOUT), tables.read_table, tables.read_table)
    lines = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    for name, content in (
        ("rows.csv", csv_text(",")),
        ("rows.tsv", csv_text("\t")),
        ("rows.csv.gz", gzip.compress(csv_text(","))),
        ("rows.jsonl", lines),
    ):
        yield f"{name.removeprefix('rows.').upper()}, ExampleGen", Format({name: content}, tables_of)
        yield f"{name.removeprefix('rows.').upper()}, batch", Format({name: content}, batch_rows)
    parquet = bytes_of(lambda file: pa.parquet.write_table(pa.Table.from_pylist(ROWS), file))
    yield "Parquet, batch", Format({"rows.parquet": parquet}, batch_rows)
    steps = np.arange(RECORDS, dtype=np.float32)
    recorded: dict[str, Any] = {
        name: steps if name == "reward" else steps[:, None] for name in ("observation", "action", "reward", "next_observation")
    }
    recorded |= {"terminated": steps % 10 == 9, "episode": steps.astype(np.int64) // 10}
    episodes_of = examples(
        lambda found: [episodes.EpisodeSource(path) for path in list_files(found, "*")], episodes.read_episodes, episodes.read_episodes
    )
    yield "episodes", Format({"episodes.npz": bytes_of(functools.partial(np.savez_compressed, **recorded))}, episodes_of)


def faults(files: dict[str, bytes], flips: int, cuts: int, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Files with a fault: a name, and the content that it now has. Each byte of all files is as likely."""
    names, sizes = list(files), [len(content) for content in files.values()]
    for number in range(flips + cuts):
        (name,) = chance.choices(names, sizes)
        place = chance.randrange(len(files[name]))
        if number < flips:
            changed = bytearray(files[name])
            changed[place] ^= chance.randrange(1, 256)
            yield name, bytes(changed)
        else:
            yield name, files[name][:place]


def outcome(read: Callable[[Path], Any], folder: Path, expected: Any, name: str) -> str:
    """What came of reading a folder where one file has a fault: TOLD, HARMLESS, SILENT, or what was said instead of the file's name."""
    try:
        found = read(folder)
    except (DataRejected, OSError) as error:
        return TOLD if Path(name).name in str(error) else f"told without the file's name: {error}"
    except Exception as error:  # noqa: BLE001 (what a reader should not raise is counted as harm)
        return f"crash: {type(error).__name__}: {error}"
    return HARMLESS if found == expected else SILENT


def injected(title: str, kind: Format, folder: Path, flips: int, cuts: int) -> Row:
    """The row of a format."""
    for name, content in kind.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    expected = kind.read(folder)
    sums = "".join(f"{checksums.sha256(folder / name)}  {name}\n" for name in kind.files)
    alone, together, harms = Counter[str](), Counter[str](), Counter[str]()
    for name, content in faults(kind.files, flips, cuts, random.Random(title)):
        (folder / name).write_bytes(content)
        unaided = outcome(kind.read, folder, expected, name)
        alone[unaided] += 1
        found = unaided
        if kind.summed:
            (folder / checksums.FILE).write_text(sums)
            found = outcome(kind.read, folder, expected, name)
            (folder / checksums.FILE).unlink()
        together[found] += 1
        if found not in GOOD or unaided not in (*GOOD, SILENT):
            harms[unaided if found in GOOD else found] += 1
        (folder / name).write_bytes(kind.files[name])
    said = f"by the format itself: {alone[TOLD]} told, {alone[HARMLESS]} harmless"
    naive = f"{alone[SILENT]} of {flips + cuts} were not noticed" if kind.summed else ""
    return Row(title, flips + cuts, harms.total(), naive, "; ".join([said, *(f"{count} × {what}" for what, count in harms.items())]))


def measure(full: bool, folder: Path) -> Section:
    """See `section.Measure`."""
    flips, cuts = (1000, 100) if full else (100, 20)
    rows = []
    for title, kind in formats(folder):
        place = folder / "data"
        place.mkdir()
        rows.append(injected(title, kind, place, flips, cuts))
        shutil.rmtree(place)
    return Section("Corrupt input", TEXT, rows)
