"""The report of faults: what it says, what it keeps, and how it ends."""

import sys
import types

import pytest

from reliability import __main__ as report
from reliability.section import Row, Section


@pytest.fixture
def sections(monkeypatch):
    """Two sections, of which the second lets as many faults through as its list says."""
    harmed = [0]
    monkeypatch.setattr(report, "SECTIONS", ("first", "second"))
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    for name in report.SECTIONS:
        count = harmed if name == "second" else [0]

        def measure(full, folder, name=name, count=count):
            assert folder.is_dir() and not list(folder.iterdir())
            return Section(name.title(), "What was done.", [Row("a flip", 1000 if full else 10, count[0], "9 of 10 got through")])

        monkeypatch.setitem(sys.modules, f"reliability.{name}", types.SimpleNamespace(measure=measure))
    return harmed


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["reliability", *map(str, arguments)])
    return report.main()


def test_all_sections_are_written_and_one_that_is_measured_again_replaces_its_own(sections, monkeypatch, tmp_path, capsys):
    file = tmp_path / "reliability.md"
    assert run(monkeypatch, "--full", "--write", file) == 0
    before = file.read_text()
    assert before.index("## First") < before.index("## Second") and before.count("| a flip | 1,000 | 0 | 9 of 10 got through | – |") == 2
    assert "`python -m reliability first --full`" in before
    assert run(monkeypatch, "first", "--write", file) == 0
    after = file.read_text()
    assert after.count("| a flip | 10 | 0 |") == after.count("| a flip | 1,000 | 0 |") == after.count("## First") == 1
    assert after[after.index("<!-- second -->") :] == before[before.index("<!-- second -->") :]
    assert "no fault did harm" in capsys.readouterr().out


def test_a_fault_that_did_harm_fails(sections, monkeypatch, capsys):
    sections[0] = 2
    assert run(monkeypatch) == 1
    assert capsys.readouterr().out.endswith("2 faults did harm\n")


def test_a_section_that_is_not_there(sections, monkeypatch, capsys):
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "third")
    assert ended.value.code == 2 and "expected sections of first, second, received third" in capsys.readouterr().err
