"""What the columns of a table hold, and what a model will do with each."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from components.names import feature_name
from components.table_example_gen.layout import NO_NUMBER
from pipelines.common.scaffold.texts import shown

NUMBER, CATEGORY, TEXT, DATE, DROPPED = "number", "category", "text", "date", "dropped"

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_CODE = re.compile(r"\s*[+-]?0\d+\s*")  # 01234: a number would lose what tells it from 1234
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")
_THOUSANDS = re.compile(r"\s*[+-]?\d{1,3}([, ']\d{3})+(\.\d+)?\s*")
_ID = re.compile(r"(^|[\s_.-])(id|uuid|guid|key|index|row|nr)$|^(Unnamed: 0)?$|[a-z](Id|ID)$")
# As the model reads dates: see trainer_modules/common/dates.py.
_SEPARATOR, _REST = r"\s*[-/. ]\s*", r"(?:[T ,;].*)?"
_DATES = {
    order: re.compile("(?s)" + r"\s*" + _SEPARATOR.join(rf"(?P<{part}>\d{{{4 if part == 'y' else '1,2'}}})" for part in order) + _REST)
    for order in ("ymd", "dmy", "mdy")
}
# Of the known values of a column, the share that must be dates; the others count as missing.
DATES_SHARE = 0.95
# Fewer values than that may all differ without being names of the rows.
FEW = 20
MOST_CATEGORIES = 1000
TEXT_WORDS = 3
LARGEST = 3.4e38  # of a float32


@dataclasses.dataclass(frozen=True)
class Column:
    """A column as the model will see it.

    Attributes:
        name: in the file.
        feature: its name in the schema, in requests and in the code.
        kind: NUMBER, CATEGORY, TEXT, DATE or DROPPED.
        missing: share of the rows without a value.
        distinct: how many values there are.
        low, high: of a NUMBER.
        values: of a CATEGORY, sorted, with the white space around them that the file has.
        order: of a DATE's parts: "ymd", "dmy" or "mdy".
        note: what there is to know: why it is dropped, how it is read.
    """

    name: str
    feature: str
    kind: str
    missing: float
    distinct: int
    low: float = 0.0
    high: float = 0.0
    values: tuple[str, ...] = ()
    order: str = ""
    note: str = ""

    @property
    def use(self) -> str:
        """What the model does with it."""
        gap = ", a missing one is the median and marked" if self.missing and self.kind == NUMBER else ""
        return {
            NUMBER: f"scaled{gap}",
            CATEGORY: f"one of {min(self.distinct, MOST_CATEGORIES):,} values{' or missing' if self.missing else ''}",
            DATE: "day, year, month, weekday",
            TEXT: "read word by word",
            DROPPED: "left out",
        }[self.kind] + (f": {self.note}" if self.note else "")

    @property
    def domain(self) -> str:
        """What its values are, for a table's cell."""
        if self.kind == NUMBER:
            return f"{self.low:g} … {self.high:g}"
        if self.kind == CATEGORY:
            shown = ", ".join(value if len(value) <= 16 else value[:15] + "…" for value in self.values[:4])
            return shown + (", …" if len(self.values) > 4 else "")
        return {"ymd": "year-month-day", "dmy": "day-month-year", "mdy": "month-day-year"}.get(self.order, "")


def inspect(cells: Mapping[str, Sequence[str]], text: str | None) -> list[Column]:
    """Every column but the label.

    Args:
        cells: texts by column.
        text: a column that the user says is free text.
    """
    return [inspect_column(name, values, name == text) for name, values in cells.items()]


def inspect_column(name: str, cells: Sequence[str], is_text: bool = False) -> Column:
    """One column, by its values.

    A number is a column of nothing but numbers, a date one of (almost) nothing but dates. Of the others, a column whose values
    come again and again is a category, one of sentences is free text, and one whose values hardly ever come again tells nothing.

    Args:
        name: of the column.
        cells: its texts.
        is_text: whether the user says that it is free text.
    """
    found = Column(name, feature_name_of(name), DROPPED, 0.0, 0)
    numeric = [cell for cell in cells if cell.strip().lower() not in NO_NUMBER]
    if not is_text and numeric and all(map(is_number, numeric)):
        return number_column(found, cells, [float(cell) for cell in numeric])
    known = [cell.strip() for cell in cells if cell.strip()]
    counts = Counter(known)
    found = dataclasses.replace(found, missing=1 - len(known) / len(cells), distinct=len(counts))
    if not known:
        return dataclasses.replace(found, note="no values")
    if is_text:
        return dataclasses.replace(found, kind=TEXT, note=f"{words(counts):.0f} words on average")
    if len(counts) == 1 and len(known) == len(cells):
        return dataclasses.replace(found, note="constant")
    order = date_order(counts)
    if order:
        return dated(found, counts, order)
    return worded(dataclasses.replace(found, values=tuple(sorted(set(filter(None, cells))))), counts)


def feature_name_of(column: str) -> str:
    """The column's own name where it can be one of a signature's arguments, else its plain form."""
    return column if re.fullmatch(r"[A-Za-z]\w*", column, re.ASCII) else feature_name(column)


def is_number(cell: str) -> bool:
    """Whether a text is a number, written plainly, and no code that begins with 0."""
    return bool(_NUMBER.fullmatch(cell) and not _CODE.fullmatch(cell))


def number_column(found: Column, cells: Sequence[str], values: Sequence[float]) -> Column:
    """A column of numbers; dropped where it is constant or numbers the rows."""
    distinct = len(set(values))
    low, high = min(values), max(values)
    found = dataclasses.replace(found, missing=1 - len(values) / len(cells), distinct=distinct, low=low, high=high)
    if max(-low, high) > LARGEST:
        return dataclasses.replace(found, note="has numbers beyond 3.4e38")
    if distinct == 1 and len(values) == len(cells):
        return dataclasses.replace(found, note="constant")
    if distinct == len(values) >= FEW and all(value.is_integer() for value in values):
        steps = {after - before for before, after in itertools.pairwise(values)}
        if high - low == distinct - 1 or min(steps) > 0 or max(steps) < 0 or _ID.search(found.name):
            return dataclasses.replace(found, note="all values differ: a number of the row")
    return dataclasses.replace(found, kind=NUMBER)


def date_order(counts: Counter[str]) -> str:
    """The order of day, month and year in which the most texts are dates; empty if too few are in any."""
    fits = {order: sum(count for value, count in counts.items() if is_date(value, order)) for order in _DATES}
    best = max(fits, key=lambda order: fits[order])
    return best if fits[best] >= DATES_SHARE * counts.total() else ""


def is_date(text: str, order: str) -> bool:
    """Whether the text is a date with its parts in that order."""
    match = _DATES[order].fullmatch(text)
    if not match:
        return False
    try:
        datetime.date(int(match["y"]), int(match["m"]), int(match["d"]))
    except ValueError:
        return False
    return True


def dated(found: Column, counts: Counter[str], order: str) -> Column:
    """A column of dates, with what is doubtful about them."""
    strange = sum(count for value, count in counts.items() if not is_date(value, order))
    other = {"dmy": "mdy", "mdy": "dmy"}.get(order, "")
    notes = []
    if other and all(is_date(value, other) for value in counts):
        notes.append(f"could be {'month before day' if order == 'dmy' else 'day before month'} as well")
    if strange:
        notes.append(f"{strange} are no dates and count as missing")
    return dataclasses.replace(found, kind=DATE, order=order, note="; ".join(notes))


def worded(found: Column, counts: Counter[str]) -> Column:
    """A column of texts, its values given: a category, free text, or values that hardly ever come again."""
    length, share = words(counts), len(counts) / counts.total()
    if share > 0.2 and length >= TEXT_WORDS:
        return dataclasses.replace(found, kind=TEXT, note=f"{length:.0f} words on average")
    if share > 0.5 and len(counts) >= FEW:
        why = "all values differ: a name of the row" if share == 1 else "hardly any value comes again"
        return dataclasses.replace(found, note=" and ".join(filter(None, (why, almost_numbers(counts)))))
    note = almost_numbers(counts)
    if len(counts) > MOST_CATEGORIES:
        note = f"the {MOST_CATEGORIES:,} most frequent values are told apart"
    return dataclasses.replace(found, kind=CATEGORY, note=note)


def words(counts: Counter[str]) -> float:
    """Mean number of words of a value."""
    return sum(len(value.split()) * count for value, count in counts.items()) / counts.total()


def almost_numbers(counts: Counter[str]) -> str:
    """Why a column that is nearly all numbers is not read as one; empty for any other."""
    for pattern, why in ((_DECIMAL_COMMA, "numbers with a decimal comma: write 1.5"), (_THOUSANDS, "numbers with separators: write 1234")):
        if all(pattern.fullmatch(value) for value in counts):
            return why
    others = {value: count for value, count in counts.items() if not _NUMBER.fullmatch(value)}
    if others and sum(others.values()) <= 0.1 * counts.total():
        return f"numbers but for {shown(max(others, key=lambda value: others[value]), 20)}: leave such cells empty"
    return ""
