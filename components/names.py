"""Names of columns as users write them, and of features as signatures take them."""

import re
import unicodedata


def feature_name(column: str) -> str:
    """The feature that a column of that name holds: letters, digits and underscores only, "Total rooms (m²)" is total_rooms_m2.

    A name that begins with a digit, or of which nothing is left, gets a letter in front.
    """
    plain = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode()
    name = re.sub(r"\W+", "_", plain.strip().lower(), flags=re.ASCII).strip("_")
    return name if name[:1].isalpha() else f"x_{name}".rstrip("_")
