"""TFRecord files whose records are damaged, cut or gone: the file and the place are told."""

import gzip
import io
import re
from pathlib import Path

import pytest
import tensorflow as tf

from components.golden import read_records
from components.records import masked, records, shard_name
from trainer_modules.common.input_data import read_examples

CONTENT = [b"first", b"", b"the third record"]
SIZES = [5 + 16, 16, 16 + 16]


@pytest.fixture
def shard(tmp_path) -> Path:
    """As TensorFlow writes it."""
    path = tmp_path / shard_name(0, 1, len(CONTENT))
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in CONTENT:
            writer.write(record)
    return path


def trainer(path: Path) -> list[bytes]:
    return list(read_examples([str(path)]).as_numpy_iterator())


def test_what_tensorflow_wrote_is_read(shard):
    assert shard.name == "data_tfrecord-00000-of-00001-3"
    assert shard.stat().st_size == sum(SIZES)
    assert list(records(io.BytesIO(shard.read_bytes()))) == read_records(shard) == trainer(shard) == CONTENT


@pytest.mark.parametrize("read", [read_records, trainer])
def test_every_byte_that_changes_and_every_cut_is_told_with_the_file(shard, read):
    good = shard.read_bytes()
    for place in range(0, len(good), 3):
        for broken in (good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :], good[:place]):
            shard.write_bytes(broken)
            with pytest.raises(OSError, match=re.escape(str(shard))):
                read(shard)


@pytest.mark.parametrize(
    ("place", "begins"), [(3, 0), (10, 0), (14, 0), (SIZES[0] + 2, SIZES[0]), (SIZES[0] + SIZES[1] + 20, SIZES[0] + SIZES[1])]
)
def test_the_damaged_record_is_told(shard, place, begins):
    content = bytearray(shard.read_bytes())
    content[place] ^= 0x10
    shard.write_bytes(content)
    with pytest.raises(OSError, match=f"the record at byte {begins} "):
        read_records(shard)
    with pytest.raises(OSError, match=rf"received: corrupted record at ({begins}|{begins + 12})[. ]"):  # or where its content begins
        trainer(shard)


@pytest.mark.parametrize("read", [read_records, trainer])
def test_a_file_that_ends_between_two_records_is_one_too_short(shard, read):
    shard.write_bytes(shard.read_bytes()[: SIZES[0] + SIZES[1]])
    assert len(list(tf.data.TFRecordDataset(str(shard)))) == 2  # which nothing in the file itself tells
    with pytest.raises(OSError, match=r"2 of 3 records|expected 3 records in .*, as its name says, received 2"):
        read(shard)


@pytest.mark.parametrize(("cut", "left"), [(0, 0), (44, 2)])
@pytest.mark.parametrize("read", [read_records, trainer])
def test_a_packed_file_that_is_cut_is_told(shard, tmp_path, read, cut, left):
    """TensorFlow itself takes what there is for all."""
    packed = tmp_path / "some.gz"
    packed.write_bytes(gzip.compress(shard.read_bytes()))
    assert read(packed) == CONTENT
    packed.write_bytes(packed.read_bytes()[:cut])
    assert len(list(tf.data.TFRecordDataset(str(packed), "GZIP"))) == left
    with pytest.raises(OSError, match=r"some\.gz"):
        read(packed)


def test_a_length_with_its_right_checksum_takes_no_memory():
    length = (1 << 60).to_bytes(8, "little")
    with pytest.raises(OSError, match="the record at byte 0 has a length of 1152921504606846976 bytes"):
        list(records(io.BytesIO(length + masked(length) + b"content")))
