"""Dates in texts to numbers, in the TensorFlow graph, so that a client sends them as they are."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

# Which group of digits is what; separators are - / . or a space, and a time of day may follow.
ORDERS = {"ymd": (1, 2, 3), "dmy": (3, 2, 1), "mdy": (3, 1, 2)}
YEAR, PART = r"(\d{4})", r"(\d{1,2})"
SEPARATOR, REST = r"\s*[-/. ]\s*", r"(?:[T ,;].*)?"
DAYS_IN_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclasses.dataclass(frozen=True)
class Dates:
    """Dates in parts, int64 [N] each; arbitrary where `known`, bool [N], is false.

    Attributes:
        known: whether the text was a date.
        year: e.g. 2026.
        month: 1 … 12.
        weekday: 1 (Monday) … 7.
        days: since 1 January 1970.
    """

    known: tf.Tensor
    year: tf.Tensor
    month: tf.Tensor
    weekday: tf.Tensor
    days: tf.Tensor


def parse_dates(texts: tf.Tensor, order: str) -> Dates:
    """Dates of the (proleptic) Gregorian calendar.

    Args:
        texts: string [N], e.g. "2026-11-24", "24.11.2026" or "11/24/2026 18:00"; the year has four digits.
        order: of the parts, a key of ORDERS.

    Returns:
        Their parts; a text that is no date (also "2026-02-30") is not known.
    """
    parts = (YEAR, PART, PART) if order == "ymd" else (PART, PART, YEAR)
    pattern = SEPARATOR.join(parts) + REST
    matches = tf.strings.regex_full_match(texts, pattern)
    sound = tf.where(matches, texts, "1970-01-01" if order == "ymd" else "01-01-1970")
    year, month, day = (tf.strings.to_number(tf.strings.regex_replace(sound, pattern, rf"\{group}"), tf.int64) for group in ORDERS[order])
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    last = tf.gather(tf.constant(DAYS_IN_MONTH, tf.int64), tf.clip_by_value(month - 1, 0, 11)) + tf.cast(leap & (month == 2), tf.int64)
    known = matches & (month >= 1) & (month <= 12) & (day >= 1) & (day <= last)
    days = days_since_1970(year, month, day)
    return Dates(known, year, month, (days + 3) % 7 + 1, days)


def days_since_1970(year: tf.Tensor, month: tf.Tensor, day: tf.Tensor) -> tf.Tensor:
    """Days since 1 January 1970, int64 [N], counted in years that begin in March.

    Method: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    """
    year = year - tf.cast(month <= 2, tf.int64)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return 365 * year + year // 4 - year // 100 + year // 400 + of_year - 719468
