import os

import pytest

from components.child import ChildFailed, run_module


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module that another process finds."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def write(code: str) -> str:
        (tmp_path / "darsena_child_of_test.py").write_text(code)
        return "darsena_child_of_test"

    return write


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"it crashed \(SIGSEGV\)"),
        ("raise SystemExit(139)", r"it crashed \(SIGSEGV\)"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("raise SystemExit(3)", "it ended with code 3"),
        ("import signal; signal.pause()", "it took longer than 1 s"),
    ],
)
def test_a_failure_says_why_and_what_it_was_at(module, tmp_path, code, reason):
    with pytest.raises(ChildFailed, match=f"^{reason}$") as failure:
        run_module(module(f"print('float32', flush=True)\nprint('int8', flush=True)\n{code}"), [], tmp_path, timeout=1)
    assert failure.value.last_line == "int8"


def test_it_imports_this_project_from_anywhere_and_keeps_its_files_in_the_folder(module, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    printed = run_module(
        module("import sys, tempfile, components; print(sys.argv[1], tempfile.gettempdir())"), ["given"], tmp_path, timeout=60
    )
    assert printed == f"given {tmp_path}{os.linesep}"
