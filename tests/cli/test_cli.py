"""What all commands share: help, suggestions, exit codes, one line per failure, and no TensorFlow where none is needed."""

import subprocess
import sys

import click
import pytest

from components.errors import DataRejected
from pipelines.common import cli
from pipelines.common.errors import DarsenaError, UsageError


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_help_with_an_example_and_takes_debug(darsena, command):
    ended = darsena(command, "--debug", "--help")
    assert (ended.code, ended.err) == (0, "")
    assert f"darsena {command}" in ended.out.split("Example")[1]
    assert "{" not in ended.out and "--debug" in ended.out


def test_help_lists_every_command_with_what_it_does(darsena):
    ended = darsena()
    assert ended.out == darsena("--help").out
    listed = [line.split()[0] for line in ended.out.split("Commands:")[1].splitlines() if line.strip()]
    assert listed == list(cli.COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "suggested"),
    [
        (["statsu"], "'status'"),
        (["run", "mnist_mpl"], "'mnist_mlp'"),
        (["run", "mnist_mlp", "--epoch", "3"], "'--epochs'"),
        (["run", "mnist_mlp", "--set", "droput=0.1"], "'dropout'"),
        (["run", "mnist_mlp", "--runner", "flink"], "'local', 'beam'"),
        (["list", "--jsno"], "'--json'"),
    ],
)
def test_unknown_names_end_in_2_with_a_suggestion_on_one_line(darsena, arguments, suggested):
    ended = darsena(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("darsena: ") and suggested in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DarsenaError("the disk is full"), 1),
        (UsageError("the disk is full"), 2),
        (DataRejected("the disk is full"), 4),
        (click.ClickException("the disk is full"), 1),
    ],
)
def test_each_kind_of_error_has_its_exit_code_and_its_traceback_under_debug(darsena, monkeypatch, error, code):
    def fail(*_):
        raise error

    monkeypatch.setattr("pipelines.common.commands.list.describe", fail)
    ended = darsena("list")
    assert (ended.code, ended.out, ended.err) == (code, "", "darsena: the disk is full\n")
    debugged = darsena("list", "--debug")
    assert debugged.code == code
    assert "Traceback" in debugged.err and debugged.err.endswith("darsena: the disk is full\n")


def test_an_interrupt_is_one_line_and_130(darsena, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.common.commands.list.describe", interrupt)
    ended = darsena("list")
    assert ended.code == 130
    assert ended.err.strip() == "darsena: interrupted."


FAULT = """
import sys
from pipelines.common import cli
import pipelines.common.commands.list as command
def fail(*_):
    raise ZeroDivisionError("a fault nobody thought of")
command.describe = fail
sys.exit(cli.main(sys.argv[1:]))
"""


def test_a_fault_nobody_thought_of_is_one_line_and_1_without_debug():
    quiet = python("-c", FAULT, "list")
    assert (quiet.returncode, quiet.stdout) == (1, "")
    assert quiet.stderr == "darsena: ZeroDivisionError: a fault nobody thought of. Add --debug for the traceback.\n"
    debugged = python("-c", FAULT, "list", "--debug")
    assert debugged.returncode == 1 and "Traceback" in debugged.stderr


HEAVY = ("tensorflow", "numpy", "tfx", "keras", "apache_beam")


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["list", "--json"], ["status"], ["run", "mnist_mlp", "--help"]])
def test_listing_and_explaining_import_nothing_heavy(tmp_path, arguments):
    code = (
        f"import sys; from pipelines.common.cli import main; code = main({arguments!r});"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    ended = python("-c", code, cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "[]\n")


def test_the_module_is_the_command():
    assert python("-m", "pipelines", "--version").stdout.startswith("darsena, version 0.")
    assert python("-m", "pipelines", "lst").returncode == 2


def python(*arguments: str, cwd=None) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, timeout=60, check=False)
