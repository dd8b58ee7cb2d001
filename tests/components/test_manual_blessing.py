import pytest
from tfx.types import standard_artifacts

from components.manual_blessing.executor import Executor, given_by_hand
from tests.components.conftest import artifact


@pytest.mark.parametrize(("evaluated", "expected"), [(0, {"reason": "a deadline", "by": "ada"}), (1, None)])
def test_it_blesses_and_says_who_wanted_what_the_evaluator_refused(tmp_path, evaluated, expected):
    before = artifact(standard_artifacts.ModelBlessing, tmp_path / "before", blessed=evaluated)
    after = artifact(standard_artifacts.ModelBlessing, tmp_path / "after")
    Executor().Do({"evaluated": [before]}, {"blessing": [after]}, {"reason": "a deadline", "by": "ada"})
    assert after.get_int_custom_property("blessed") == 1
    assert given_by_hand(after) == expected
    assert [path.name for path in (tmp_path / "after").iterdir()] == ["BLESSED"]
