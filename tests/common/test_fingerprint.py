"""The fingerprints that tell TFX's cache about edited code and data."""

import os

import pytest

from pipelines.common import fingerprint
from pipelines.common.config import Data


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A small project of the same layout, so that files can be edited."""
    files = {
        "trainer_modules/__init__.py": "",
        "trainer_modules/a.py": "import numpy\nfrom trainer_modules.common import shared\n",
        "trainer_modules/b.py": "from trainer_modules.common.shared import x\n",
        "trainer_modules/c.py": "import json\n",
        "trainer_modules/common/__init__.py": "",
        "trainer_modules/common/shared.py": "from trainer_modules.common import deep\nx = 1\n",
        "trainer_modules/common/deep.py": "y = 2\n",
        "components/one/__init__.py": "",
        "components/one/executor.py": "",
        "components/one/child.py": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(fingerprint, "REPOSITORY", tmp_path)
    yield tmp_path
    fingerprint.imports.cache_clear()


def test_source_files_are_those_imported_directly_or_not(project):
    assert list(fingerprint.source_files("trainer_modules.a")) == [
        "trainer_modules/a.py",
        "trainer_modules/common/__init__.py",
        "trainer_modules/common/deep.py",
        "trainer_modules/common/shared.py",
    ]
    assert list(fingerprint.source_files("trainer_modules.c")) == ["trainer_modules/c.py"]


@pytest.mark.parametrize(
    ("edited", "changed"),
    [("trainer_modules/a.py", {"a"}), ("trainer_modules/common/deep.py", {"a", "b"}), ("trainer_modules/c.py", {"c"})],
)
def test_an_edit_changes_the_fingerprint_of_what_depends_on_it_only(project, edited, changed):
    before = {name: fingerprint.code_fingerprint(f"trainer_modules.{name}") for name in "abc"}
    with (project / edited).open("a") as file:
        file.write("z = 3\n")
    after = {name: fingerprint.code_fingerprint(f"trainer_modules.{name}") for name in "abc"}
    assert {name for name in "abc" if before[name] != after[name]} == changed


def test_a_component_is_all_modules_of_its_folder(project):
    before = fingerprint.component_fingerprint("one")
    (project / "components/one/child.py").write_text("# run by its name, imported by nobody\n")
    assert fingerprint.component_fingerprint("one") != before


def test_data_is_known_by_names_and_contents(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        (folder / "x.npz").write_bytes(b"1234")
    os.utime(two / "x.npz", ns=(1, 1))
    here, there = Data("path", one, "*"), Data("path", two, "*")
    first = fingerprint.data_fingerprint(here)
    assert fingerprint.data_fingerprint(there) == first
    (two / "x.npz").write_bytes(b"1235")
    rewritten = fingerprint.data_fingerprint(there)
    (two / "x.npz").rename(two / "y.npz")
    assert len({first, rewritten, fingerprint.data_fingerprint(there)}) == 3


def test_data_that_is_elsewhere_is_known_by_its_version(tmp_path):
    first, second = (fingerprint.data_fingerprint(Data("path", tmp_path / "absent", "*", version=version)) for version in ("1", "2"))
    assert first == fingerprint.data_fingerprint(Data("path", tmp_path, "*.npz", version="1")) != second
