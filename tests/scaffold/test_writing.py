"""A new model's files are there all or none, whatever fails and when."""

from pathlib import Path

import pytest

from pipelines.common.errors import DarsenaError
from pipelines.common.scaffold.texts import readme_with
from pipelines.common.scaffold.writing import write_all


def contents(folder: Path) -> dict[str, str | None]:
    """Every path below a folder, with a file's text."""
    return {str(path.relative_to(folder)): path.read_text() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.fixture
def place(tmp_path) -> Path:
    """A folder with a file that is to be replaced."""
    (tmp_path / "README.md").write_text("before")
    return tmp_path


def write(place: Path, fill) -> None:
    files = {place / "README.md": "after", place / "schemas" / "new" / "schema.pbtxt": "schema", place / "new.py": "code"}
    write_all(files, place / "root" / "data" / "new-sample", fill)


def fill(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "rows.csv").write_text("a,b")


def test_all_is_written(place):
    write(place, fill)
    assert contents(place) == {
        "README.md": "after",
        "new.py": "code",
        "root": None,
        "root/data": None,
        "root/data/new-sample": None,
        "root/data/new-sample/sub": None,
        "root/data/new-sample/sub/rows.csv": "a,b",
        "schemas": None,
        "schemas/new": None,
        "schemas/new/schema.pbtxt": "schema",
    }


@pytest.mark.parametrize("error", [OSError("the disk is full"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", range(9))
def test_whatever_fails_nothing_is_left(place, monkeypatch, step, error):
    """Fails at the step-th call that writes: filling the data, 3 temporary files, the data's rename, 3 renames; then not at all."""
    steps = iter(range(100))

    def failing(function):
        def call(*arguments, **options):
            if next(steps) == step:
                raise error
            return function(*arguments, **options)

        return call

    before = contents(place)
    for name in ("write_text", "rename", "replace"):
        monkeypatch.setattr(Path, name, failing(getattr(Path, name)))
    if step == 8:
        write(place, lambda folder: folder.joinpath("rows.csv").write_text("a,b"))
        assert (place / "new.py").is_file()
        return
    with pytest.raises(type(error)):
        write(place, lambda folder: folder.joinpath("rows.csv").write_text("a,b"))
    monkeypatch.undo()
    assert contents(place) == before


README = """\
| model | what |
|---|---|
| `b_model` | x |
| `d_model` | y |

| command |
| `darsena list` | z |
"""


@pytest.mark.parametrize(("name", "line"), [("a_model", 2), ("c_model", 3), ("e_model", 4)])
def test_the_readme_lists_models_by_name(name, line):
    lines = readme_with(README, f"| `{name}` | new |").splitlines()
    assert lines.pop(line) == f"| `{name}` | new |"
    assert lines == README.splitlines()


def test_a_readme_without_models_is_one_line():
    with pytest.raises(DarsenaError, match=r"expected a table of models in README\.md, found none"):
        readme_with("# Title\n", "| `a` |")
