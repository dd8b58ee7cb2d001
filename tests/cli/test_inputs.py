"""Files of raw inputs against what a served model says it takes."""

import json

import numpy as np
import pytest
from PIL import Image

from components.errors import DataRejected
from pipelines.common.errors import UsageError
from pipelines.common.inputs import Input, read_inputs

GREY = [Input("image", "uint8", (2, 3))]
COLOUR = [Input("image", "uint8", (2, 3, 3))]
ROW = [Input("rooms", "int64", ()), Input("income", "float32", ()), Input("place", "object", ())]
HUGE = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|u1', 'fortran_order': False, 'shape': (1152921504606846976,)}".ljust(117) + b"\n"
PIXELS = np.array([[0, 50, 100], [150, 200, 255]], np.uint8)


@pytest.fixture
def file(tmp_path):
    """Writes a file of any kind and returns its path."""

    def write(name, content):
        path = tmp_path / name
        if isinstance(content, Image.Image):
            content.save(path)
        elif isinstance(content, np.ndarray):
            np.save(path, content)
        elif isinstance(content, dict) and name.endswith(".npz"):
            np.savez(path, **content)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.mark.parametrize("kind", ["png", "bmp"])
def test_a_grey_image(file, kind):
    batch = read_inputs(file(f"a.{kind}", Image.fromarray(PIXELS)), GREY)["image"]
    np.testing.assert_array_equal(batch, PIXELS[np.newaxis])
    assert batch.dtype == np.uint8


def test_a_colour_image_becomes_grey_by_luminance_for_a_model_of_one_channel(file):
    red = np.zeros((2, 3, 3), np.uint8)
    red[..., 0] = 255
    image = file("a.png", Image.fromarray(red))
    np.testing.assert_array_equal(read_inputs(image, GREY)["image"], np.full((1, 2, 3), 76))  # 0.299 * 255, ITU-R 601-2
    np.testing.assert_array_equal(read_inputs(image, [Input("image", "uint8", (2, 3, 1))])["image"], np.full((1, 2, 3, 1), 76))
    np.testing.assert_array_equal(read_inputs(image, COLOUR)["image"], red[np.newaxis])


def test_a_grey_image_for_a_model_of_colours(file):
    batch = read_inputs(file("a.png", Image.fromarray(PIXELS)), COLOUR)["image"]
    np.testing.assert_array_equal(batch, np.repeat(PIXELS[np.newaxis, ..., np.newaxis], 3, axis=-1))


def test_an_image_is_bytes_to_a_model_of_strings(file):
    path = file("a.png", Image.fromarray(PIXELS))
    batch = read_inputs(path, [Input("jpeg", "object", ())])["jpeg"]
    assert batch.shape == (1,) and batch[0] == path.read_bytes()


def test_an_image_of_another_size_is_not_resized(file):
    with pytest.raises(DataRejected, match=r"expected image: uint8 \[2, 3\] in .*a.png, received the shape \[4, 6\]"):
        read_inputs(file("a.png", Image.fromarray(PIXELS).resize((6, 4))), GREY)


def test_arrays_of_one_example_and_of_many(file):
    many = np.stack([PIXELS, PIXELS + 1, PIXELS + 2])
    np.testing.assert_array_equal(read_inputs(file("one.npy", PIXELS), GREY)["image"], PIXELS[np.newaxis])
    np.testing.assert_array_equal(read_inputs(file("many.npy", many), GREY)["image"], many)
    np.testing.assert_array_equal(read_inputs(file("wide.npy", many.astype(np.int64)[:2]), GREY)["image"], many[:2])
    np.testing.assert_array_equal(read_inputs(file("many.npz", {"image": many}), GREY)["image"], many)


def test_any_size_goes_where_the_model_says_so(file):
    free = [Input("image", "uint8", (None, None))]
    assert read_inputs(file("a.npy", np.zeros((7, 9), np.uint8)), free)["image"].shape == (1, 7, 9)


@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"instances": rows}])
def test_rows_of_json(file, wrap):
    rows = [{"rooms": 3, "income": 1.5, "place": "sea"}, {"rooms": 4, "income": 2, "place": "inland"}]
    batch = read_inputs(file("a.json", json.dumps(wrap(rows))), ROW)
    assert batch["rooms"].tolist() == [3, 4] and batch["rooms"].dtype == np.int64
    assert batch["income"].tolist() == [1.5, 2.0] and batch["income"].dtype == np.float32
    assert batch["place"].tolist() == ["sea", "inland"]


def test_bare_json_values_for_the_only_input(file):
    batch = read_inputs(file("a.json", json.dumps([PIXELS.tolist(), (PIXELS // 2).tolist()])), GREY)
    np.testing.assert_array_equal(batch["image"], np.stack([PIXELS, PIXELS // 2]))


def test_columns_are_matched_by_their_plain_names_and_others_are_left_out(file):
    batch = read_inputs(file("a.csv", "\ufeffPlace,Rooms ,income,label\nsea,3,1.5,yes\n"), ROW)
    assert {name: values.tolist() for name, values in batch.items()} == {"rooms": [3], "income": [1.5], "place": ["sea"]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "rooms,income,place\n3,,\n4,2.5,sea\n"),
        ("a.json", '[{"rooms": 3, "income": null, "place": null}, {"rooms": 4, "income": 2.5, "place": "sea"}]'),
    ],
)
def test_missing_values_are_nan_and_empty_texts(file, name, content):
    batch = read_inputs(file(name, content), ROW)
    np.testing.assert_array_equal(batch["income"], [np.nan, 2.5])
    assert batch["place"].tolist() == ["", "sea"]


def test_an_integer_knows_no_missing_value(file):
    with pytest.raises(DataRejected, match="received values that are not"):
        read_inputs(file("a.csv", "rooms,income,place\n,1,sea\n"), ROW)


def test_a_text_per_line_for_the_only_input(file):
    batch = read_inputs(file("a.txt", "good, really\n\nbad\u2028one\n"), [Input("text", "object", ())])
    assert batch["text"].tolist() == ["good, really", "bad\u2028one"]


def test_rows_have_the_delimiter_and_the_missing_values_that_a_model_learned_from(file):
    batch = read_inputs(file("a.csv", 'rooms;income;place\n3;NA;"s;a"\n4; nan ;NA\n'), ROW, ";")
    np.testing.assert_array_equal(batch["income"], np.float32([np.nan, np.nan]))
    assert list(batch["place"]) == ["s;a", "NA"]
    tabs = read_inputs(file("a.tsv", 'rooms\tincome\tplace\n3\t1.5\t"sea\n'), ROW)
    assert (tabs["income"][0], tabs["place"][0]) == (1.5, '"sea')


def test_rows_of_csv(file):
    batch = read_inputs(file("a.csv", "place,rooms,income\nsea,3,1.5\n"), ROW)
    assert {name: values.tolist() for name, values in batch.items()} == {"rooms": [3], "income": [1.5], "place": ["sea"]}


@pytest.mark.parametrize(
    ("name", "content", "inputs", "words"),
    [
        ("a.png", b"not a picture", GREY, "cannot identify image file"),
        ("a.npz", {"image": np.array([{"a": 1}], object)}, GREY, "received pickled objects or a broken file"),
        ("a.npy", np.array([{"a": 1}], object), GREY, "received pickled objects or a broken file"),
        ("a.npz", b"PK\x03\x04 broken", GREY, "received pickled objects or a broken file"),
        ("a.npz", {"pixels": PIXELS}, GREY, "received pixels"),
        ("a.npy", PIXELS.astype(np.float32) / 255, GREY, r"received float32 values from 0.0 to 1.0"),
        ("a.npy", PIXELS.astype(np.int16) + 1, GREY, "received int16 values from 1 to 256"),
        ("a.npy", PIXELS[:, :2], GREY, r"received the shape \[2, 2\]"),
        ("a.npy", np.array(3, np.uint8), GREY, r"received the shape \[\]"),
        ("a.npy", HUGE, GREY, "received pickled objects or a broken file"),
        ("a.json", "[1, 2", GREY, "expected to read"),
        ("a.json", "[" * 100_000, GREY, "expected to read .* recursion"),
        ("a.json", "[]", GREY, "expected a list of at least one row"),
        ("a.json", "[[[1, 2], [3]]]", GREY, "received values that are not"),
        ("a.json", '[{"rooms": 1}, {"income": 2}]', ROW, "row 2 differs"),
        ("a.csv", "rooms,income\n3,1.5\n", ROW, "expected the inputs place: string in .*, received income, rooms only"),
        ("a.csv", "rooms,income,place\nmany,1.5,sea\n", ROW, "received values that are not: .*: 'many'"),
    ],
)
def test_content_that_is_not_what_the_model_takes_is_rejected(file, name, content, inputs, words):
    with pytest.raises(DataRejected, match=words):
        read_inputs(file(name, content), inputs)


@pytest.mark.parametrize(
    ("name", "inputs", "words"), [("a.pdf", GREY, "expected a file of .png"), ("a.npy", ROW, "names the inputs rooms")]
)
def test_files_that_cannot_hold_the_inputs_are_wrong_usage(file, name, inputs, words):
    with pytest.raises(UsageError, match=words):
        read_inputs(file(name, b""), inputs)
