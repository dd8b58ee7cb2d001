import datetime

import pytest

from pipelines.common.allowances import read_allowances
from pipelines.common.errors import DarsenaError

DAY = datetime.date(2026, 11, 26)
GOOD = """
[[allowed]]
feature = "rooms"
anomaly = "FLOAT_TYPE_BIG_FLOAT"
reason = " palaces "
until = 2026-11-26

[[allowed]]
anomaly = "DATASET_LOW_NUM_EXAMPLES"
reason = "a slow week"
until = 2026-11-25
"""


def written(folder, text):
    (folder / "allowed_anomalies.toml").write_text(text)
    return folder


def test_a_model_without_the_file_allows_nothing(tmp_path):
    assert read_allowances(tmp_path, DAY) == []


def test_the_last_day_is_still_in_force_and_the_next_is_not(tmp_path):
    rooms = {"feature": "rooms", "anomaly": "FLOAT_TYPE_BIG_FLOAT", "reason": "palaces", "until": "2026-11-26", "in_force": True}
    week = {"feature": "", "anomaly": "DATASET_LOW_NUM_EXAMPLES", "reason": "a slow week", "until": "2026-11-25", "in_force": False}
    assert read_allowances(written(tmp_path, GOOD), DAY) == [rooms, week]
    after = read_allowances(tmp_path, DAY + datetime.timedelta(1))
    assert [each["in_force"] for each in after] == [False, False]


ENTRY = '[[allowed]]\nfeature = "a"\nanomaly = "INT_TYPE_BIG_INT"\nreason = "r"\nuntil = 2026-12-01\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[allowed", "to be TOML, received"),
        ("", "nothing but [[allowed]] tables in"),
        ("allowed = 3", "nothing but [[allowed]] tables in"),
        (ENTRY + "\n[other]\n", "received allowed, other"),
        (ENTRY.replace("until = 2026-12-01\n", ""), "received one without until"),
        (ENTRY + "split = 'train'\n", "received one with split"),
        (ENTRY.replace("BIG_INT", "BIG_INTS"), "received 'INT_TYPE_BIG_INTS'. Did you mean 'INT_TYPE_BIG_INT'?"),
        (ENTRY.replace('reason = "r"', 'reason = " "'), "a reason in words"),
        (ENTRY.replace("2026-12-01", '"2026-12-01"'), "the last day"),
        (ENTRY.replace("2026-12-01", "2026-12-01T10:00:00"), "the last day"),
    ],
)
def test_what_is_no_allowance_is_told_in_one_line(tmp_path, text, said):
    with pytest.raises(DarsenaError) as raised:
        read_allowances(written(tmp_path, text), DAY)
    assert said in str(raised.value) and "allowed_anomalies.toml" in str(raised.value)
    assert "\n" not in str(raised.value)
