"""The README and its fellow documents say what is so: commands, links, options and targets."""

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from pipelines.common import cli
from pipelines.common.errors import ExitCode
from pipelines.common.layout import load_model, model_names

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENTS = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", *sorted(REPOSITORY.glob("docs/*.md")))]
QUICK = ("--help", "list", "doctor", "status")


def shell_commands(document: Path) -> list[str]:
    """Lines of a document's shell blocks, comments dropped."""
    blocks = re.findall(r"^```sh\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.split("#")[0].strip()]


def darsena_commands() -> list[list[str]]:
    """Arguments of every `darsena` command that a shell block shows."""
    lines = [line for document in DOCUMENTS for line in shell_commands(document)]
    return [shlex.split(line)[1:] for line in dict.fromkeys(lines) if line.startswith(".venv/bin/darsena")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_resolve(document):
    targets = re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)[^)]*\)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("arguments", darsena_commands(), ids=" ".join)
def test_commands_shown_are_commands_there_are(arguments, monkeypatch):
    """Parses them with the options there are; a file that the text makes up need not be there."""
    if arguments[0].startswith("--"):
        return
    command = cli.cli.get_command(click.Context(cli.cli), arguments[0])
    for parameter in command.params:
        if isinstance(parameter.type, click.Path):
            monkeypatch.setattr(parameter.type, "exists", False)
    command.make_context(arguments[0], list(arguments[1:]))


@pytest.mark.parametrize("arguments", [found for found in darsena_commands() if found[0] in QUICK], ids=" ".join)
def test_quick_commands_run(arguments, tmp_path):
    command = [str(REPOSITORY / ".venv" / "bin" / "darsena"), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=150, check=False)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout


def test_readme_shows_every_command_and_every_model():
    text = (REPOSITORY / "README.md").read_text()
    rows = re.findall(r"^\| `darsena (\S+?)[ `]", text, re.MULTILINE)
    assert rows == list(cli.COMMANDS)
    models = re.findall(r"^\| `([a-z0-9_]+)` \|", text, re.MULTILINE)
    assert models == model_names()


def test_make_targets_that_the_documents_name_are_there():
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for document in DOCUMENTS
        for target in re.findall(r"\bmake ([a-z-]+)`|^make ([a-z-]+)", document.read_text(), re.MULTILINE)
        for target in target
        if target
    }
    assert {"demo", "test", "test-all", "setup", "bench", "lint", "lock"} <= named
    assert named <= targets


def test_cli_document_has_every_command_option_and_exit_code():
    text = (REPOSITORY / "docs" / "cli.md").read_text()
    for name in cli.COMMANDS:
        assert f"## darsena {name}" in text
        command = cli.cli.get_command(click.Context(cli.cli), name)
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        assert [option for option in options if f"`{option}" not in text] == []
    codes = re.findall(r"^\| (\d+) \|", text, re.MULTILINE)
    assert codes == [*(str(int(code)) for code in ExitCode), str(cli.INTERRUPTED)]


def test_the_example_of_contributing_is_a_model_with_all_its_files():
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    (name,) = set(re.findall(r"`trainer_modules/<model>\.py`\*\* — \[trainer_modules/(\w+)\.py\]", text))
    assert load_model(name).name == name
