"""Rows of raw features to columns that can be compared: the same function for what a model learned from and for what clients send."""

from __future__ import annotations

import dataclasses
import io
import re
import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from tensorflow_metadata.proto.v0 import schema_pb2

from components.image_example_gen.pictures import DAMAGE

# Values by the name of a raw feature, a value per row, as a client sends them (docs/architecture.md): pixels as arrays, texts and files
# as bytes; NaN or an empty text for a missing value.
Rows = Mapping[str, Sequence[Any]]
WORD = re.compile(r"\w+")
COMMON_TEXTS = 5


@dataclasses.dataclass(frozen=True)
class Column:
    """One thing that is known of every row.

    Attributes:
        name: the raw feature's, or `<feature>/<what was measured of it>`.
        feature: the raw feature, whose thresholds in the schema hold for the column.
        values: float64 [N], NaN where missing; or texts as an object array [N], None where missing.
    """

    name: str
    feature: str
    values: np.ndarray

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers rather than categories."""
        return self.values.dtype != object


def columns(rows: Rows, schema: schema_pb2.Schema, common: Mapping[str, Collection[str]]) -> list[Column]:
    """What can be compared of rows.

    Of a number or a category that is itself; of pixels `<feature>/brightness` (mean over 255), and of encoded pictures their height, width
    and channels too, as ImageExampleGen measures them; of a text `<feature>/words`, their number, and `<feature>/common`, the share of them
    that is in `common`. Of vectors there is nothing.

    Args:
        rows: by feature.
        schema: of the raw features; tells pictures, categories and texts apart.
        common: for each text its common words (`common_words`).
    """
    found = []
    for feature in schema.feature:
        if feature.name in rows:
            measured = _measured(feature, rows[feature.name], common.get(feature.name, ()))
            found += [Column(feature.name + suffix, feature.name, values) for suffix, values in measured.items()]
    return found


def _measured(feature: schema_pb2.Feature, values: Sequence[Any], common: Collection[str]) -> dict[str, np.ndarray]:
    """Columns of a feature, by the suffix of their name."""
    if feature.HasField("image_domain"):
        return _pictures(values) if values and isinstance(values[0], bytes) else {"/brightness": _brightness(values)}
    if values and np.ndim(values[0]):
        return {}
    if feature.type == schema_pb2.BYTES:
        texts = [value.decode("utf-8", "replace") for value in values]
        if _is_category(feature):
            return {"": np.array([text or None for text in texts], object)}
        words = [WORD.findall(text.lower()) for text in texts]
        shares = [sum(word in common for word in each) / len(each) if each else np.nan for each in words]
        return {"/words": np.array([len(each) for each in words], np.float64), "/common": np.array(shares, np.float64)}
    if feature.type == schema_pb2.INT and feature.int_domain.is_categorical:
        return {"": np.array([str(int(value)) for value in values], object)}
    return {"": np.array(values, np.float64)}


def _is_category(feature: schema_pb2.Feature) -> bool:
    """Whether a feature of bytes is one of so many values, rather than a text: it has a domain, or a threshold for single values."""
    comparators = (feature.skew_comparator, feature.drift_comparator)
    return feature.HasField("string_domain") or feature.HasField("domain") or any(each.HasField("infinity_norm") for each in comparators)


def _brightness(pictures: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([pixels.mean(dtype=np.float64) / 255 for pixels in pictures], np.float64)


def _pictures(files: Sequence[bytes]) -> dict[str, np.ndarray]:
    """Measures of encoded pictures; NaN of those that Pillow can't read, or of absurd size."""
    measures = np.full((len(files), 4), np.nan)
    for measure, content in zip(measures, files, strict=True):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "BMP")) as picture:
                    pixels = np.asarray(picture.convert("L" if picture.mode in ("L", "LA", "1") else "RGB"))
        except (Image.DecompressionBombWarning, *DAMAGE):
            continue
        measure[:] = (*(*pixels.shape, 1)[:3], pixels.mean(dtype=np.float64) / 255)
    return dict(zip(("/height", "/width", "/channels", "/brightness"), measures.T, strict=True))


def common_words(rows: Rows, schema: schema_pb2.Schema) -> dict[str, frozenset[str]]:
    """For each text the words that are in at least 5 of its values.

    So many, since a word of one text only would be common in that text and in no other: texts that the words are from would look unlike
    others of the same kind.
    """
    found = {}
    for feature in schema.feature:
        if feature.name in rows and feature.type == schema_pb2.BYTES and not (feature.HasField("image_domain") or _is_category(feature)):
            texts: Counter[str] = Counter()
            for value in rows[feature.name]:
                texts.update(set(WORD.findall(value.decode("utf-8", "replace").lower())))
            found[feature.name] = frozenset(word for word, count in texts.items() if count >= COMMON_TEXTS)
    return found
