"""Columns of a table as features, against NumPy, scikit-learn and values computed by hand; and the networks over them."""

import datetime

import numpy as np
import pytest
import tensorflow as tf
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from tests.transform_fixture import analyse
from trainer_modules.common import tabular, tabular_model
from trainer_modules.common.dates import parse_dates
from trainer_modules.common.tabular import Category, Cross, Date, Number, Text

SCHEMA = """
feature { name: "price" type: FLOAT presence { min_fraction: 0.5 min_count: 1 } value_count { min: 1 max: 1 } }
feature { name: "rooms" type: INT presence { min_fraction: 1.0 } shape {} }
feature { name: "width" type: FLOAT presence { min_fraction: 1.0 } shape {} }
feature { name: "constant" type: FLOAT presence { min_fraction: 1.0 } shape {} }
feature { name: "nothing" type: FLOAT presence { min_fraction: 0.0 } value_count { min: 1 max: 1 } }
feature { name: "town" type: BYTES presence { min_fraction: 0.5 min_count: 1 } value_count { min: 1 max: 1 } }
feature { name: "floor" type: INT presence { min_fraction: 1.0 } shape {} }
feature { name: "sold" type: BYTES presence { min_fraction: 0.5 min_count: 1 } value_count { min: 1 max: 1 } }
feature { name: "remark" type: BYTES presence { min_fraction: 0.5 min_count: 1 } value_count { min: 1 max: 1 } }
"""
COLUMNS = (
    Number("price", missing=True),
    Number("rooms"),
    Number("width"),
    Number("constant"),
    Number("nothing", missing=True),
    Category("town", size=2),
    Category("floor", size=3),
    Date("sold", order="dmy"),
    Text("remark", size=6, length=4),
    Cross("plan", ("rooms", "width"), buckets=8),
    Cross("where", ("town", "rooms"), buckets=2),
)
HPARAMS = {
    "features": "all",
    "scaling": "zscore",
    "impute": "median",
    "buckets": 0,
    "crosses": "none",
    "embedding": 4,
    "network": "dnn",
    "depth": 2,
    "width": 8,
    "dropout": 0.0,
    "learning_rate": 1e-2,
    "label_scale": 1000.0,
    "label_offset": 5000.0,
}


def raw_rows():
    """199 rows; every seventh price is missing, and every tenth width is NaN."""
    random = np.random.default_rng(11)
    towns = [b"Genova", b"Genova ", b"Trieste", b"Genova", b"Trieste", b"Bari", b"", None]
    dates = [b"24.11.2026", b"1/2/2024", b"31.02.2026", b"soon", None]
    remarks = [b"Near the sea, near the harbour", b"The harbour!", b"sea", None]
    return [
        {
            "price": None if i % 7 == 0 else float(np.float32(random.lognormal(3, 1))),
            "rooms": int(random.integers(1, 9)),
            "width": float("nan") if i % 10 == 9 else float(np.float32(random.normal(10, 2))),
            "constant": 3.0,
            "nothing": None,
            "town": towns[i % len(towns)],
            "floor": int(random.integers(0, 3)),
            "sold": dates[i % len(dates)],
            "remark": remarks[i % len(remarks)],
        }
        for i in range(199)
    ]


def example(row):
    features = {}
    for name, value in row.items():
        if isinstance(value, bytes):
            features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        elif isinstance(value, int):
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        elif value is not None:
            features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    transform, _ = analyse(
        lambda inputs: tabular.transform(inputs, COLUMNS), SCHEMA, [example(row) for row in raw_rows()], tmp_path_factory.mktemp("tabular")
    )
    layer, spec = transform.transform_features_layer(), transform.raw_feature_spec()

    def features(rows):
        parsed = tf.io.parse_example(tf.constant([example(row) for row in rows]), spec)
        return {name: value.numpy() for name, value in layer(parsed).items()}

    return features


@pytest.fixture(scope="module")
def features(graph):
    """Of the rows that were analysed."""
    return graph(raw_rows())


def numbers(name):
    return np.array([np.nan if row[name] is None else row[name] for row in raw_rows()], np.float64)


@pytest.mark.parametrize(("strategy", "feature"), [("median", "price__zscore"), ("mean", "price__mean__zscore")])
def test_missing_numbers_are_imputed_then_scaled_by_what_is_known(features, strategy, feature):
    price = numbers("price")[:, np.newaxis]
    scaler = StandardScaler().fit(price)  # scikit-learn leaves NaN out
    expected = scaler.transform(SimpleImputer(strategy=strategy).fit_transform(price))
    assert len(price) - np.isnan(price).sum() == 170  # an even number: TFT's median is one of the two in the middle
    known = ~np.isnan(price[:, 0])
    np.testing.assert_allclose(features[feature][known], expected[known], atol=1e-5)
    step = np.diff(np.sort(price[known, 0]))[84] / scaler.scale_[0]
    np.testing.assert_allclose(features[feature][~known], expected[~known], atol=step if strategy == "median" else 1e-5)
    np.testing.assert_array_equal(features["price__missing"][:, 0], ~known)


def test_a_number_that_is_not_finite_is_missing_even_where_none_may_be(features, graph):
    width = numbers("width")
    known = ~np.isnan(width)
    expected = (width - np.nanmean(width)) / np.nanstd(width)
    np.testing.assert_allclose(features["width__zscore"][known, 0], expected[known], atol=1e-5)
    assert len(set(features["width__zscore"][~known, 0])) == 1
    assert "width__missing" not in features
    odd = graph([raw_rows()[0] | {"width": float("inf")}, raw_rows()[0] | {"width": float("nan")}])
    np.testing.assert_array_equal(odd["width__zscore"][0], odd["width__zscore"][1])


def test_logarithms_bring_skewed_numbers_to_a_scale(features):
    price = numbers("price")
    low, median = np.nanmin(price), np.nanmedian(price)
    logs = np.log1p((price - low) / (median - low))
    expected = (logs - np.nanmean(logs)) / np.nanstd(logs)
    known = ~np.isnan(price)
    # The medians of an even number of rows differ a little.
    np.testing.assert_allclose(features["price__log"][known, 0], expected[known], atol=0.02)
    assert abs(features["price__log"][known].mean()) < 1e-5 and abs(features["price__log"][known].std() - 1) < 1e-4


def test_outliers_count_as_eight_standard_deviations(graph):
    far = graph([raw_rows()[0] | {"width": value} for value in (1e9, -1e9)])
    np.testing.assert_allclose(far["width__zscore"][:, 0], [8, -8])
    assert far["width__log"][0, 0] == 8


def test_ranks_are_even_and_end_at_the_extremes(features, graph):
    width = numbers("width")
    known = ~np.isnan(width)
    places = np.argsort(np.argsort(width[known])) / (known.sum() - 1)
    np.testing.assert_allclose(features["width__quantile"][known, 0], 2 * places - 1, atol=0.04)
    beyond = graph([raw_rows()[0] | {"width": value} for value in (-1e6, 1e6)])
    np.testing.assert_allclose(beyond["width__quantile"][:, 0], [-1, 1], atol=1e-6)


@pytest.mark.parametrize("size", [8, 32])
def test_buckets_hold_equally_many_rows_in_order(features, size):
    width = numbers("width")
    known = ~np.isnan(width)
    buckets = features[f"width__bucket{size}"][:, 0]
    counts = np.bincount(buckets[known], minlength=size)
    assert len(counts) == size and counts.min() >= known.sum() // size - 2 and counts.max() <= known.sum() // size + 3
    order = np.argsort(width[known])
    assert np.all(np.diff(buckets[known][order]) >= 0)
    expected = np.searchsorted(np.quantile(width[known], np.arange(1, size) / size), width[known], side="right")
    assert np.mean(expected != buckets[known]) < 0.15 and np.abs(expected - buckets[known]).max() <= 1


def test_a_boundary_belongs_to_the_bucket_above(graph):
    """Eight numbers of rooms, most of them boundaries: equal rows are never in two buckets."""
    found = graph([raw_rows()[0] | {"rooms": rooms} for rooms in range(1, 9)])["rooms__bucket8"][:, 0]
    assert found[0] == 0 and found[-1] == 7 and np.all(np.diff(found) >= 0)


def test_columns_that_tell_nothing_are_0_not_nan(features):
    for name, values in features.items():
        assert np.all(np.isfinite(values)), name
    for name in ("constant__zscore", "constant__log", "nothing__zscore", "nothing__mean__log"):
        assert np.all(features[name] == 0), name
    assert np.all(features["nothing__missing"] == 1)


def test_categories_are_numbered_by_frequency_with_unknown_and_missing_ones_apart(features, graph):
    np.testing.assert_array_equal(features["town__id"][:8, 0], [2, 2, 3, 2, 3, 1, 0, 0])
    new = graph([raw_rows()[0] | {"town": b"Ancona"}, raw_rows()[0] | {"town": None}, raw_rows()[0] | {"town": b" Trieste"}])
    np.testing.assert_array_equal(new["town__id"][:, 0], [1, 0, 3])


def test_whole_numbers_may_be_categories(features, graph):
    floors = numbers("floor").astype(int)
    order = np.argsort(-np.bincount(floors), kind="stable")
    np.testing.assert_array_equal(features["floor__id"][:, 0], 2 + np.argsort(order)[floors])
    assert graph([raw_rows()[0] | {"floor": 17}])["floor__id"][0, 0] == 1


def test_dates_have_parts(features):
    days = [datetime.date(2026, 11, 24), datetime.date(2024, 2, 1)]
    np.testing.assert_array_equal(features["sold__month"][:5, 0], [11, 2, 0, 0, 0])
    np.testing.assert_array_equal(features["sold__weekday"][:5, 0], [days[0].isoweekday(), days[1].isoweekday(), 0, 0, 0])
    np.testing.assert_array_equal(features["sold__missing"][:5, 0], [0, 0, 1, 1, 1])
    # Of two dates equally often (80 rows of 199), z-scores are 1 and -1; of the missing ones 0.
    np.testing.assert_allclose(features["sold__days"][:5, 0], [1, -1, 0, 0, 0], atol=1e-4)
    np.testing.assert_allclose(features["sold__year"][:5, 0], [1, -1, 0, 0, 0], atol=1e-4)


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("1970-01-01", "ymd", (1970, 1, 1)),
        ("2000-02-29T10:20:30", "ymd", (2000, 2, 29)),
        ("1900/2/28", "ymd", (1900, 2, 28)),
        ("1969-12-31", "ymd", (1969, 12, 31)),
        ("12/31/1999 23:59", "mdy", (1999, 12, 31)),
        ("31. 12. 1999", "dmy", (1999, 12, 31)),
        ("1900-02-29", "ymd", None),
        ("2023-02-29", "ymd", None),
        ("2023-13-01", "ymd", None),
        ("2023-00-10", "ymd", None),
        ("24-11-26", "dmy", None),
        ("31/12/1999", "mdy", None),
        ("2023-01-011", "ymd", None),
        ("", "ymd", None),
    ],
)
def test_texts_are_dates_or_not(text, order, expected):
    found = parse_dates(tf.constant([text]), order)
    assert bool(found.known[0]) == (expected is not None)
    if expected:
        date = datetime.date(*expected)
        parts = [int(part[0]) for part in (found.year, found.month, found.weekday, found.days)]
        assert parts == [date.year, date.month, date.isoweekday(), (date - datetime.date(1970, 1, 1)).days]


def test_an_order_there_is_not_is_named():
    with pytest.raises(ValueError, match=r"expected the order of the date sold to be one of ymd, dmy, mdy, received 'ydm'"):
        Date("sold", order="ydm")


def test_texts_are_numbers_of_words(features):
    # By frequency: "the" (3 of a round of rows), "near", "harbour" and "sea" (2 each; the last in the alphabet first).
    ids = {b"the": 2, b"sea": 3, b"near": 4, b"harbour": 5}
    np.testing.assert_array_equal(features["remark__words"][0], [ids[b"near"], ids[b"the"], ids[b"sea"], ids[b"near"]])
    np.testing.assert_array_equal(features["remark__words"][1], [ids[b"the"], ids[b"harbour"], 1, 0])
    np.testing.assert_array_equal(features["remark__words"][3], [0, 0, 0, 0])


def test_crosses_number_the_combinations(features):
    expected = features["rooms__bucket8"] * 8 + features["width__bucket8"]
    np.testing.assert_array_equal(features["plan__id"], expected)
    where = features["where__id"][:, 0]
    np.testing.assert_array_equal(where // 2, features["town__id"][:, 0])
    assert set(where % 2) == {0, 1}


def test_a_cross_wants_a_divisor_and_declared_columns():
    with pytest.raises(ValueError, match="expected the buckets of the cross plan to divide 32, received 5"):
        Cross("plan", ("rooms", "width"), buckets=5)
    with pytest.raises(ValueError, match="expected the cross plan to be of declared numbers or categories, received 'sold'"):
        tabular.cell_count(Cross("plan", ("rooms", "sold")), "sold", COLUMNS)


@pytest.mark.parametrize(
    ("task", "name", "shape"),
    [("regression", "prediction", (3, 1)), ("binary", "probability", (3, 1)), ("multiclass", "probabilities", (3, 5))],
)
def test_each_task_has_its_output(features, task, name, shape):
    model = tabular_model.build_model(COLUMNS, HPARAMS | {"crosses": "all", "buckets": 8}, task, classes=5)
    answers = model({tensor.name: features[tensor.name][:3] for tensor in model.inputs}).numpy()
    assert model.output_names == [name] and answers.shape == shape
    if task != "regression":
        assert np.all((answers > 0) & (answers < 1))
    if task == "multiclass":
        np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-6)
