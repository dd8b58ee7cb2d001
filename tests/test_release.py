"""`make audit` and `make release`, but for what PyPI and the build tools do."""

import datetime
import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from scripts import audit, release

DAY = datetime.date(2026, 11, 26)
ALLOWED = '[[allowed]]\npackage = "a"\nid = "CVE-2026-1"\nreason = "not used"\nuntil = 2026-11-26\n'
VULNERABLE = {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["2"]}]}
CLEAN = {"name": "b", "version": "1", "vulns": []}
UNKNOWN = {"name": "c", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "allowed", "code", "says"),
    [
        ([CLEAN], "", 0, "x.lock: 1 packages, no known vulnerability"),
        ([VULNERABLE, CLEAN], "", 1, "x.lock: a 1 has PYSEC-2026-1, mended in 2"),
        ([VULNERABLE, CLEAN], ALLOWED, 0, "x.lock: a 1 has PYSEC-2026-1, mended in 2; allowed: not used"),
        ([CLEAN, UNKNOWN], "", 3, "x.lock: 1 of 2 packages could not be audited, such as c: Dependency not found on PyPI"),
        ([VULNERABLE, UNKNOWN], "", 1, "x.lock: a 1 has PYSEC-2026-1, mended in 2"),
    ],
)
def test_what_is_found_is_judged(packages, allowed, code, says):
    lines, found = audit.judged("x.lock", audit.found_in({"dependencies": packages}), audit.allowances(allowed, DAY))
    assert (lines[0], found) == (says, code)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ALLOWED.replace("26\n", "25\n"), r"^the allowance of CVE-2026-1 of a ended on 2026-11-25"),
        (ALLOWED.replace("not used", " "), r"a reason and until = DATE"),
        (ALLOWED.replace("until = 2026-11-26", 'until = "2026-11-26"'), r"a reason and until = DATE"),
        (ALLOWED + "more = 1\n", r"a reason and until = DATE"),
        ("[[", r"to be TOML"),
    ],
)
def test_allowances_that_are_over_or_damaged(text, says):
    with pytest.raises(audit.AuditError, match=says):
        audit.allowances(text, DAY)


def test_the_allowances_that_there_are_can_be_read():
    audit.allowances(audit.ALLOWED.read_text(), datetime.date.min)


def test_without_an_answer_it_is_not_audited(monkeypatch, capsys):
    ended = subprocess.CompletedProcess([], 1, "", "ERROR: no connection\n")
    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: ended)
    assert audit.main(["requirements.lock"]) == 3
    assert capsys.readouterr().out == "audit: expected PyPI to answer about requirements.lock, received: ERROR: no connection\n"


def test_every_lock_file_of_packages_is_audited():
    names = {str(path.relative_to(audit.REPOSITORY)) for path in audit.lock_files()}
    assert {"requirements.lock", "kubeflow/requirements-gpu.lock", "benchmarks/serving/peers/kserve.lock"} < names
    assert "pipelines/common/engines/jars.lock" not in names


def test_a_version_has_its_section_in_the_changelog():
    text = "## [Unreleased]\n\n## [1.2.0] - 2026-11-26\n"
    assert release.has_section(text, "1.2.0")
    assert not release.has_section(text, "1.2") and not release.has_section(text, "1x2x0") and not release.has_section(text, "Unreleased")


def test_the_bill_of_materials_has_versions_and_hashes_and_no_addresses(tmp_path):
    lock, file = tmp_path / "x.lock", tmp_path / "bill.json"
    digest = hashlib.sha256(b"").hexdigest()
    lock.write_text(f"some-package==1.5 \\\n    --hash=sha256:{digest}\n")
    release.bill_of_materials("0.1.0", lock, file)
    bill = json.loads(file.read_text())
    (component,) = bill["components"]
    assert (component["purl"], component["version"]) == ("pkg:pypi/some-package@1.5", "1.5")
    assert component["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert (bill["metadata"]["component"]["name"], bill["metadata"]["component"]["version"]) == ("darsena", "0.1.0")
    assert "://" not in file.read_text().replace(bill["$schema"], "") and str(tmp_path) not in file.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bill.json", "x.lock"]


def test_checksums_are_those_that_sha256sum_checks(tmp_path):
    (tmp_path / "a.whl").write_bytes(b"a")
    (tmp_path / "SUMS").write_text(release.sums(tmp_path))
    assert subprocess.run(["sha256sum", "--check", "SUMS"], cwd=tmp_path, check=False, capture_output=True).returncode == 0


def test_the_version_is_that_of_setup():
    assert f'version="{release.version()}"' in Path("setup.py").read_text()
