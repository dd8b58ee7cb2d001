"""Transform graphs in a page give what they give in TensorFlow, for every form of every column and for texts of all kinds."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import tests.rows
from pipelines.common.errors import DarsenaError
from pipelines.common.web import graph
from tests.transform_fixture import analyse
from tests.web.browser import hosted
from trainer_modules.common import serving_transform, tabular, text
from trainer_modules.common.tabular import Category, Cross, Date, Number, Text

SITE = Path(graph.__file__).with_name("site")
COLUMNS = (
    Number("age"),
    Number("income.log", missing=True),
    Number("rooms"),
    Category("city", size=3),
    Category("zone", size=4),
    Date("since", order="dmy"),
    Date("until"),
    Text("remark", size=9, length=6),
    Cross("place", ("age", "rooms"), buckets=8),
)
SCHEMA = """
feature { name: "age" type: FLOAT presence { min_fraction: 1 min_count: 1 } shape { } float_domain { min: 0 max: 99 } }
feature { name: "income.log" type: FLOAT value_count { min: 0 max: 1 } presence { min_fraction: 0.1 } float_domain { min: -1e6 max: 1e6 } }
feature { name: "rooms" type: INT presence { min_fraction: 1 min_count: 1 } shape { } int_domain { min: -3 max: 40 } }
feature { name: "city" type: BYTES presence { min_fraction: 1 min_count: 1 } shape { }
  string_domain { name: "cities" value: "Bari" value: "Åbo" value: "東京" value: "Ulm" } }
feature { name: "zone" type: INT presence { min_fraction: 1 min_count: 1 } shape { } int_domain { min: 1 max: 4 } }
feature { name: "since" type: BYTES value_count { min: 0 max: 1 } presence { min_fraction: 0.1 } }
feature { name: "until" type: BYTES presence { min_fraction: 1 min_count: 1 } shape { } }
feature { name: "remark" type: BYTES presence { min_fraction: 1 min_count: 1 } shape { } }
"""
TEXTS = (
    "Film, GOOD!",
    "not bad,<br />not BAD film<BR>at all </p>",
    "",
    "   ",
    "don’t — ‘quoted’ 'words' rock'n'roll ''",
    "ÇA VA? ÀÉÎÕÜ naïve Straße ΟΔΥΣΣΕΥΣ İstanbul",
    "👩‍👩‍👧 good👍🏽film ❤️!! $5 €10 a+b=c <3",
    "東京の映画 は良い。 영화 좋다 ١٢٣ 42nd",
    "tab\tnew\nline\u00a0nbsp\u2028sep\u200bzero\u00adsoft \ufeffbom",
    "e\u0301 combining vs é; \x07bell",
    "film " * 40,
)


def saved(preprocessing_fn, schema: str, examples: list[bytes], folder: Path) -> Path:
    """A SavedModel with the one signature that pages read, `transform`, of all transformed features."""
    output, parsed = analyse(preprocessing_fn, schema, examples, folder / "transform")
    serving = serving_transform.ServingTransform(output, serving_transform.serving_feature_spec(parsed))
    module = tf.Module()
    module.loaded = serving.loaded
    module.transform = tf.function(
        lambda examples: serving.transform(serving.decode(serving.parse(examples))), input_signature=[tf.TensorSpec([None], tf.string)]
    )
    tf.saved_model.save(module, str(folder / "model"), signatures={"transform": module.transform})
    return folder / "model"


def in_page(chromium, description: dict, rows: list[dict]) -> list[dict]:
    """What the page's own graph.js makes of rows."""
    with hosted(SITE) as origin:
        opened = chromium.new_page()
        opened.goto(f"{origin}/icon.svg")
        found = opened.evaluate(
            """async ([description, rows]) => {
                const {Graph} = await import(new URL('js/graph.js', document.baseURI));
                const graph = new Graph(description);
                return rows.map((row) => Object.fromEntries(Object.entries(graph.run(row)).map(([name, {data}]) => [name, [...data]])));
            }""",
            [description, rows],
        )
        opened.close()
    return found


def raw(example: bytes) -> dict:
    """A row as a client has it, by the names of a signature's arguments."""
    features = tf.train.Example.FromString(example).features.feature
    row = {}
    for name, feature in features.items():
        (value,) = getattr(feature, feature.WhichOneof("kind")).value
        row[name.replace(".", "_")] = value.decode() if isinstance(value, bytes) else value
    return row


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    examples = tests.rows.examples(SCHEMA, COLUMNS, 100, seed=5)
    folder = saved(lambda inputs: tabular.transform(inputs, COLUMNS), SCHEMA, examples, tmp_path_factory.mktemp("table"))
    return examples, tf.saved_model.load(str(folder)).signatures["transform"]


@pytest.mark.slow
def test_every_form_of_every_column_is_the_same(chromium, table):
    examples, signature = table
    expected = {name: values.numpy() for name, values in signature(tf.constant(examples)).items()}
    assert len(expected) == 33
    found = in_page(chromium, json.loads(json.dumps(graph.describe(signature), allow_nan=False)), [raw(example) for example in examples])
    for name, values in expected.items():
        np.testing.assert_allclose(
            [row[name] for row in found], values, rtol=0, atol=1e-6 if values.dtype == np.float32 else 0, err_msg=name
        )
        if name not in ("since__missing", "until__missing"):
            assert len(np.unique(values.round(4), axis=0)) > 1, f"{name} does not vary"


@pytest.mark.slow
def test_what_fields_a_table_has(table):
    features = graph.describe(table[1])["features"]
    assert features["income_log"]["optional"] and not features["age"]["optional"]
    assert set(features["city"]["choices"]) <= {"Bari", "Åbo", "東京", "Ulm"} and len(features["city"]["choices"]) == 3
    assert features["remark"]["words"] and "choices" not in features["remark"] and "choices" not in features["until"]


@pytest.mark.parametrize("masked, keep", [(True, "first"), (False, "last")])
def test_texts_are_split_alike(chromium, tmp_path, masked, keep):
    schema = 'feature { name: "text" type: BYTES presence { min_fraction: 1 min_count: 1 } shape { } }'

    def preprocessing_fn(inputs):
        words = text.split_words(inputs["text"], mask_digits=masked)
        return {"tokens": text.word_numbers(words, vocabulary_size=120, length=12, keep=keep)}

    def example(value: str) -> bytes:
        feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
        return tf.train.Example(features=tf.train.Features(feature={"text": feature})).SerializeToString()

    examples = [example(value) for value in TEXTS]
    signature = tf.saved_model.load(str(saved(preprocessing_fn, schema, examples, tmp_path))).signatures["transform"]
    expected = signature(tf.constant(examples))["tokens"].numpy()
    found = in_page(chromium, graph.describe(signature), [{"text": value} for value in TEXTS])
    np.testing.assert_array_equal([row["tokens"] for row in found], expected)
    assert (expected[2] == 0).all() and expected.max() > 40


def test_what_a_page_has_no_form_of_is_refused(tmp_path):
    module = tf.Module()
    spec = [tf.TensorSpec([None], tf.string, name="examples")]

    @tf.function(input_signature=spec)
    def transform(examples):
        parsed = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([4], tf.float32)})
        return {"x": tf.linalg.matmul(parsed["x"][:, tf.newaxis], tf.ones((4, 2)))}

    tf.saved_model.save(module, str(tmp_path), signatures={"transform": transform})
    with pytest.raises(DarsenaError, match="received the operation BatchMatMulV2"):
        graph.describe(tf.saved_model.load(str(tmp_path)).signatures["transform"])


def test_the_page_has_the_operations_that_are_let_pass(chromium):
    with hosted(SITE) as origin:
        opened = chromium.new_page()
        opened.goto(f"{origin}/icon.svg")
        names = opened.evaluate("async () => Object.keys((await import(new URL('js/operations.js', document.baseURI))).operations)")
        opened.close()
    assert set(names) == set(graph.OPERATIONS)
