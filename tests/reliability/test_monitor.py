"""A table, texts and pictures: shifts are found in logs, and none where there is none, which TFDV by itself does not manage."""

import pytest

from reliability import monitor


@pytest.mark.slow
def test_shifts_are_found_and_no_others(tmp_path):
    section = monitor.measure(False, tmp_path)
    assert {row.fault: row.harmed for row in section.rows if row.harmed} == {}
    assert sum(row.injected for row in section.rows) == 3 * 6 * 5
    for model in ("house_prices", "sms_spam", "mnist_mlp"):
        (small,) = (row for row in section.rows if row.fault == f"{model}: not shifted, 30 to 99 rows")
        assert int(small.naive.split()[0]) >= 2  # seemed shifted to TFDV alone
