"""RE2's patterns as JavaScript's."""

import pytest

from pipelines.common.web.patterns import Unsupported, javascript_pattern, javascript_rewrite


@pytest.mark.parametrize(
    "pattern, expected",
    [
        (r"[\p{Cf}\x{FE0F}]", r"[\p{Cf}\u{FE0F}]"),
        (r"\pC", r"[\p{Cc}\p{Cf}\p{Co}\p{Cs}]"),
        (r"(^|\s)'+", "(^|[\\t\\n\\f\\r ])'+"),
        (r"[\s,]\S", "[\\t\\n\\f\\r ,][^\\t\\n\\f\\r ]"),
        (r"(\d{4})\s*[-/. ](?:[T ,;].*)?", "(\\d{4})[\\t\\n\\f\\r ]*[-/. ](?:[T ,;][^\\n]*)?"),
        (r"\$\@\[", r"\$@\["),
    ],
)
def test_translation(pattern, expected):
    assert javascript_pattern(pattern) == expected


@pytest.mark.parametrize("pattern", [r"(?i)spam", r"[[:alpha:]]", r"\Aspam", r"\Qa.b\E", r"[\PC]"])
def test_what_the_two_do_not_share_is_refused(pattern):
    with pytest.raises(Unsupported, match="the pattern"):
        javascript_pattern(pattern)


def test_rewrites():
    assert javascript_rewrite(r" \1 costs $ \\ \0") == r" $1 costs $$ \ $&"
