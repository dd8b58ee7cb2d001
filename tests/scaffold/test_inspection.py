"""What columns are taken for, and what is said of those that could be something else."""

import pytest

from pipelines.common.scaffold.inspection import CATEGORY, DATE, DROPPED, NUMBER, TEXT, feature_name_of, inspect_column

SENTENCES = [f"crane number {number} broke down again today" for number in range(10)]


def column(cells, name="x", is_text=False):
    return inspect_column(name, cells, is_text)


@pytest.mark.parametrize(
    ("cells", "low", "high", "missing", "distinct"),
    [
        (["1", "2.5", " -3 ", "1e3", ".5", "5."], -3, 1000, 0, 6),
        (["1", "", "NA", "nan", "2", "n/a", "null", "None"], 1, 2, 0.75, 2),
        (["0", "0.0", "0.10", "7"], 0, 7, 0, 3),
        (["+1", "-0", "1"], 0, 1, 0, 2),
    ],
)
def test_numbers_with_their_range_and_what_is_missing(cells, low, high, missing, distinct):
    found = column(cells)
    assert (found.kind, found.low, found.high, found.missing, found.distinct) == (NUMBER, low, high, missing, distinct)


@pytest.mark.parametrize(
    ("cells", "note"),
    [
        (["1,5", "2,5", "1,5", "2,5"], "numbers with a decimal comma: write 1.5"),
        (["1,234,567.5", "12,345,678", "1,234,567.5", "12,345,678"], "numbers with separators: write 1234"),
        (["1 000", "2 000", "1 000", "2 000"], "numbers with separators: write 1234"),
        (["1", "2", "3", "1", "2", "3", "1", "2", "3", "?"], "numbers but for ?: leave such cells empty"),
        (["01234", "02345", "01234", "02345"], ""),
        (["1_000", "2_000"] * 9, ""),
        (["inf", "1"] * 9, ""),
    ],
)
def test_what_only_looks_like_numbers_is_a_category_and_says_why(cells, note):
    found = column(cells)
    assert (found.kind, found.note) == (CATEGORY, note)


def test_numbers_beyond_a_float_are_left_out():
    assert column(["1e39", "2"]).kind == DROPPED
    assert column(["1e38", "2"]).kind == NUMBER


@pytest.mark.parametrize(
    ("cells", "order", "note"),
    [
        (["2024-02-29", "2023-01-31T08:00:00Z"], "ymd", ""),
        (["31.12.2024", "1.2.2023 18:00", ""], "dmy", ""),
        (["12/31/2024", "1/2/2023"], "mdy", ""),
        (["01/02/2024", "02/03/2024"], "dmy", "could be month before day as well"),
        (["2024-01-01"] * 39 + ["2024-13-01"], "ymd", "1 are no dates and count as missing"),
    ],
)
def test_dates_with_the_order_of_their_parts(cells, order, note):
    found = column(cells)
    assert (found.kind, found.order, found.note) == (DATE, order, note)
    assert found.missing == pytest.approx(cells.count("") / len(cells))


@pytest.mark.parametrize("cells", [["2023-02-29", "2023-01-01"], ["1.2.23", "3.4.23"], ["2024-01", "2024-02"], ["20240101", "20240229"]])
def test_other_texts_and_numbers_are_no_dates(cells):
    assert column(cells * 5).kind in (CATEGORY, NUMBER)


def test_categories_keep_their_values_as_they_are_and_count_them_without_white_space():
    found = column(["b", " b", "a", "", "a", "b", "a", "b"])
    assert (found.kind, found.values, found.distinct, found.missing) == (CATEGORY, (" b", "a", "b"), 2, 0.125)


@pytest.mark.parametrize("cells", [["true", "false"] * 5, ["yes", "no", "yes", ""], ["T", "F", "T"]])
def test_truth_values_are_categories_of_two(cells):
    assert (column(cells).kind, column(cells).distinct) == (CATEGORY, 2)


def test_sentences_are_free_text_even_if_some_come_again():
    assert column(SENTENCES).kind == TEXT
    assert column(SENTENCES + SENTENCES[:4]).kind == TEXT
    # The same few again and again are kinds of something.
    assert column(SENTENCES[:2] * 20).kind == CATEGORY


def test_the_user_knows_better_what_is_free_text():
    assert column(["ok", "bad", "ok"]).kind == CATEGORY
    assert column(["ok", "bad", "ok"], is_text=True).kind == TEXT
    assert column(["1", "2", "1"], is_text=True).kind == TEXT


@pytest.mark.parametrize(
    ("cells", "name", "note"),
    [
        (["EUR"] * 9, "x", "constant"),
        (["3.0", "3"] * 9, "x", "constant"),
        (["", " ", ""], "x", "no values"),
        ([str(n) for n in range(5, 105)], "x", "all values differ: a number of the row"),
        ([str(n * n) for n in range(100)], "x", "all values differ: a number of the row"),
        ([str(n * 7919 % 99991) for n in range(1, 101)], "customer_id", "all values differ: a number of the row"),
        ([f"k{n}" for n in range(100)], "x", "all values differ: a name of the row"),
        ([f"k{n // 2 * 2}" if n < 20 else f"k{n}" for n in range(100)], "x", "hardly any value comes again"),
    ],
)
def test_columns_that_tell_nothing_are_left_out_and_say_why(cells, name, note):
    found = column(cells, name)
    assert (found.kind, found.note) == (DROPPED, note)


def test_measures_that_all_differ_stay():
    assert column([str(n * 7919 % 99991) for n in range(1, 101)], "population").kind == NUMBER
    assert column([f"{n}.5" for n in range(100)]).kind == NUMBER
    assert column(["3", "4", "5", "7"]).kind == NUMBER  # too few to tell


def test_a_constant_that_is_missing_now_and_then_tells_something():
    assert column(["5", "", "5"]).kind == NUMBER
    assert column(["yes", "", "yes"]).kind == CATEGORY


@pytest.mark.parametrize(
    ("name", "feature"),
    [
        ("Price", "Price"),
        ("total_rooms", "total_rooms"),
        ("Area (m²)", "area_m2"),
        ("Città", "citta"),
        ("2nd floor", "x_2nd_floor"),
        ("a\n b", "a_b"),
        ("", "x"),
        ("東京", "x"),
    ],
)
def test_features_have_names_that_a_signature_can_have(name, feature):
    assert feature_name_of(name) == feature
