"""`make demo`, as a new user runs it, but in a folder of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/demo.py"


@pytest.mark.e2e
@pytest.mark.slow
def test_the_demo_goes_from_raw_digits_to_answers_of_a_server(tmp_path):
    done = subprocess.run([sys.executable, str(SCRIPT)], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "blessed and pushed" in done.stdout
    right = re.search(r"(\d+) of 10 right; gRPC and REST differ by (\S+) at most", done.stdout)
    assert right is not None and int(right[1]) >= 8 and float(right[2]) <= 1e-5
    report = re.search(r"^report: (.+)$", done.stdout, re.MULTILINE)
    assert report is not None and Path(report[1]).read_text().startswith("<!DOCTYPE html>")
    assert [path.name for path in tmp_path.iterdir()] == ["darsena_root"]
