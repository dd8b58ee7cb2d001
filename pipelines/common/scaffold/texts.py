"""Texts of files: the templates, and how values of the user's data are written into code, schemas and documents."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from google.protobuf import text_encoding

from pipelines.common.errors import DarsenaError
from pipelines.common.scaffold.names import README, files_of

LINE = 130


def render_all(kind: str, name: str, given: Mapping[str, Any]) -> dict[str, str]:
    """The files of a model from the templates of its kind.

    Args:
        kind: "table", "map" or "pictures".
        name: of the model.
        given: what the templates take.

    Returns:
        Texts by path in the repository; the pipeline's, which makes the model exist, is the last.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipelines.common.scaffold"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"quoted": quoted, "escaped": escaped, "plain": plain, "shown": shown, "filled": filled, "tupled": tupled}
    templates = zip(files_of(name), ("schema.pbtxt", "trainer.py", "test.py", "pipeline.py"), strict=True)
    return {path: environment.get_template(f"{kind}_{template}.j2").render(given) for path, template in templates}


def readme_with(readme: str, row: str) -> str:
    """The README with a line more in its table of models, in the order of their names.

    Raises:
        DarsenaError: it has no such table.
    """
    lines = readme.splitlines(keepends=True)
    rows = [index for index, line in enumerate(lines) if re.match(r"\| `[a-z0-9_]+` \|", line)]
    if not rows:
        raise DarsenaError(f"expected a table of models in {README}, found none. Put it back: its lines begin with | `name` |.")
    name = row.split("`")[1]
    at = next((index for index in rows if lines[index].split("`")[1] > name), rows[-1] + 1)
    return "".join([*lines[:at], row + "\n", *lines[at:]])


def table_row(*cells: str) -> str:
    """A line of the README's table of models: name, what it learns, data, reference."""
    name, *others = (cell.replace("|", "\\|") for cell in cells)
    return f"| `{name}` | {' | '.join(others)} |"


def quoted(text: str) -> str:
    """A Python string as ruff would write it."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    body = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"')
    return quote + body.replace(quote, "\\" + quote) + quote


def escaped(text: str) -> str:
    """A string of a text proto."""
    return f'"{text_encoding.CEscape(text, as_utf8=True)}"'


def tupled(texts: Sequence[str], before: int) -> str:
    """A Python tuple of strings as ruff would write it, on a line that has so many characters before it (4 of them blanks)."""
    items = [quoted(text) for text in texts]
    line = f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    return line if before + len(line) < LINE else "".join(["(\n", *(f"        {item},\n" for item in items), "    )"])


def plain(text: str) -> str:
    """A text for comments and docstrings: on one line, without what would end or change them."""
    return " ".join(text.replace("\\", "/").replace('"', "'").split())


def shown(text: str, length: int = 40) -> str:
    """The same, cut where it is long."""
    text = plain(text)
    return text if len(text) <= length else text[: length - 1] + "…"


def filled(text: str, indent: int = 0) -> str:
    """A paragraph in lines that are not too long."""
    return textwrap.fill(plain(text), LINE - indent, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def listed(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
