import numpy as np
import pytest

from components.golden import compare, read_golden, read_records
from tests.components.conftest import write_golden, write_records


def test_comparison_of_known_values():
    golden = {"p": np.array([[0.1, 0.9], [0.6, 0.4], [0.5, 0.5], [0.2, 0.8]]), "price": np.array([1000.0, 3000.0, 2000.0, 4000.0])}
    answers = {"p": np.array([[0.1, 0.9], [0.4, 0.6], [0.5, 0.5], [0.2, 0.8]]), "price": np.array([1000.0, 3000.0, 2000.0, 4003.0])}

    found = compare(golden, answers)

    assert found.max_abs_diff == 3.0
    assert found.relative_diff == pytest.approx(0.2)  # of p; that of the price is 3 in 4000
    assert found.spread_diff == pytest.approx(0.25)  # 0.2 in the range 0.1 to 0.9
    assert found.agreement == 0.75
    assert compare({"price": golden["price"]}, {"price": answers["price"]}).agreement is None


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({"p": np.array([[1.0, np.nan]])}, "not finite"),
        ({"p": np.array([[1.0, np.inf]])}, "not finite"),
        ({"q": np.array([[1.0, 0.0]])}, "expected the outputs ['p'], received ['q']"),
        ({"p": np.array([1.0, 0.0])}, "expected 'p' of shape (1, 2), received (2,)"),
    ],
)
def test_what_cannot_be_compared_is_a_problem_and_never_close(answers, problem):
    found = compare({"p": np.array([[1.0, 0.0]])}, answers)
    assert problem in found.problem
    assert np.isnan(found.max_abs_diff) and not found.relative_diff <= 1


def test_records_of_a_folder_in_order_up_to_a_limit(tmp_path):
    write_records(tmp_path / "b.gz", [b"3", b"4"])
    write_records(tmp_path / "a", [b"1", b"2"])
    assert read_records(tmp_path) == [b"1", b"2", b"3", b"4"]
    assert read_records(tmp_path, limit=3) == [b"1", b"2", b"3"]
    with pytest.raises(FileNotFoundError, match="expected TFRecord files"):
        read_records(tmp_path / "c")


def test_golden_answers_must_match_the_examples(tmp_path):
    write_golden(tmp_path, [b"1", b"2"], p=np.zeros([3, 1]))
    with pytest.raises(ValueError, match=r"answers to 2 .*found \{'p': 3\}"):
        read_golden(tmp_path)
