"""Numbers, times, sizes and names as people read them."""

import math
import re

ABSENT = "–"
ACRONYMS = {"auc": "AUC"}  # in the snake case of TFMA's metrics


def number(value: float | None, digits: int = 4) -> str:
    """A number with `digits` significant digits: 0.9453, 1.2e-07, 12,345."""
    if value is None:
        return ABSENT
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def tick(value: float) -> str:
    """A number beside an axis, where there is little room: 0.95, 55,000, 2e+06."""
    return number(value) if abs(value) < 1e6 else f"{value:.3g}"


def metric(value: float | None) -> str:
    """The value of a metric, aligned to 4 decimals where it lies in the usual range."""
    if value is None or not math.isfinite(value) or (value != 0 and not 1e-3 <= abs(value) < 1e3):
        return number(value)
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"


def seconds(value: float | None) -> str:
    """A duration: "0.12 s", "41.2 s", "3 min 5 s", "2 h 4 min"."""
    if value is None:
        return ABSENT
    if value < 10:
        return f"{value:.2f} s"
    if value < 59.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def size(value: float | None) -> str:
    """Bytes in decimal units: "512 B", "93.4 kB", "1.2 MB"."""
    if value is None:
        return ABSENT
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.3g} GB"


def percent(value: float | None) -> str:
    """A share: "0%", "0.25%", "12.3%", "100%"."""
    return ABSENT if value is None else f"{100 * value:.3g}%"


def title(name: str) -> str:
    """A readable name from camel or snake case: "SparseCategoricalAccuracy" gives "Sparse categorical accuracy"."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").split()
    if not words:
        return name
    lowered = [ACRONYMS.get(word, word if word.isupper() and len(word) > 1 else word.lower()) for word in words]
    return " ".join([lowered[0][:1].upper() + lowered[0][1:], *lowered[1:]])


def cell(value: object) -> str:
    """Anything out of a JSON file, for a table."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    return str(value)
