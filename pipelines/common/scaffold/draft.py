"""A new model before it is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.common.data import cannot_write, without_glob_characters
from pipelines.common.scaffold.names import README
from pipelines.common.scaffold.texts import readme_with
from pipelines.common.scaffold.writing import write_all


@dataclasses.dataclass(frozen=True)
class Draft:
    """Everything that makes a new model.

    Attributes:
        files: texts by path in the repository; the last one is what makes the model exist.
        readme_row: its line in the README's table.
        fill: copies the data into a folder.
        review: what there is to know about the data, in JSON's types.
    """

    files: dict[str, str]
    readme_row: str
    fill: Callable[[Path], None]
    review: dict[str, Any]


def write_draft(draft: Draft, repository: Path, data: Path) -> list[Path]:
    """Writes a model.

    Args:
        draft: the model.
        repository: to write it into.
        data: folder for its data, under the root; must not exist.

    Returns:
        The paths written.

    Raises:
        UsageError: TFX can't take the path of the data.
        DarsenaError: something can't be written; then nothing is.
    """
    without_glob_characters(data, "--root")
    readme = repository / README
    files = {readme: readme_with(readme.read_text(encoding="utf-8"), draft.readme_row)}
    files |= {repository / path: text for path, text in draft.files.items()}
    try:
        write_all(files, data, draft.fill)
    except OSError as error:
        raise cannot_write(Path(error.filename or data), error) from error
    return [*files, data]
