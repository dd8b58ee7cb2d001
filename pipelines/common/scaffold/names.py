"""Whether a new model may have a name, and where its files go."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from components.names import feature_name
from pipelines.common.errors import DarsenaError, UsageError

REPOSITORY = Path(__file__).resolve().parents[3]
README = "README.md"
# No file of these folders may name a model (law 1), so no model may be called what one of them says.
SHARED = ("pipelines/common", "trainer_modules/common", "components", "serving", "reporting")


def files_of(name: str) -> tuple[str, ...]:
    """Paths of a model's own files in the repository; the last one is what makes it exist."""
    return f"schemas/{name}/schema.pbtxt", f"trainer_modules/{name}.py", f"tests/trainer_modules/test_{name}.py", f"pipelines/{name}.py"


def check_name(name: str, repository: Path, data: Path) -> None:
    """Makes sure that a model of this name can be written.

    Args:
        name: of the model.
        repository: to write it into.
        data: the folder of its data.

    Raises:
        UsageError: the name is none for a Python module, is taken, or is a word of the shared code.
        DarsenaError: the repository is not as the project's.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name) or (repository / "pipelines" / name).exists():
        plain = feature_name(name)
        proposal = f" Did you mean {plain!r}?" if plain != name and not keyword.iskeyword(plain) else " Choose another."
        raise UsageError(f"expected NAME to be a new Python module's, of a to z, 0 to 9 and _, received {name!r}.{proposal}")
    taken = [str(path) for path in (*(repository / path for path in files_of(name)), data) if path.exists()]
    if taken:
        raise UsageError(f"expected a new NAME, received {name!r}, of which there is {taken[0]}. Choose another, or remove that.")
    word = re.compile(rf"\b{name}\b")
    for path in sorted(path for folder in SHARED for path in (repository / folder).rglob("*") if path.suffix in (".py", ".j2", ".css")):
        if word.search(path.read_text(encoding="utf-8")):
            raise UsageError(
                f"expected a NAME that is no word of the shared code, received {name!r}, which is one of {path.relative_to(repository)}. "
                f"Choose another, such as my_{name}."
            )
    if not (repository / README).is_file():
        raise DarsenaError(f"expected {README}, with a table of models, in {repository}, there is none. Run this in a clone of Darsena.")
