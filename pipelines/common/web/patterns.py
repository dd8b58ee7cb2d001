"""Regular expressions of TensorFlow (RE2) as JavaScript's, with the flag `u`.

Sources: RE2's "Syntax" (github.com/google/re2/wiki/Syntax); ECMAScript's RegExp.
"""

from __future__ import annotations

import re

# JavaScript's \s knows Unicode's spaces, RE2's does not; RE2's "other" characters leave out those that are not assigned.
SPACES, OTHERS = r"\t\n\f\r ", r"\p{Cc}\p{Cf}\p{Co}\p{Cs}"
SAME = set("dDwWbBtnfr" + r"^$\.*+?()[]{}|/")
TOKEN = re.compile(r"\\x\{([0-9A-Fa-f]+)\}|\\([pP])(?:\{(\w+)\}|(\w))|\\(.)|(\(\?[^:])|(\[:)|(.)", re.DOTALL)


class Unsupported(ValueError):
    """Something that a page can't do; the message names it."""


def javascript_pattern(pattern: str) -> str:
    """The same pattern for JavaScript.

    Raises:
        Unsupported: it has a form that the two do not share, such as flags.
    """
    found: list[str] = []
    inside = False
    for match in TOKEN.finditer(pattern):
        code, kind, long_name, short_name, escaped, flags, posix, plain = match.groups()
        if flags or (posix and inside):
            raise Unsupported(f"the pattern {pattern}")
        if code:
            found.append(rf"\u{{{code}}}")
        elif kind:
            name = long_name or short_name
            found.append(others(kind, inside, pattern) if name == "C" else rf"\{kind}{{{name}}}")
        elif escaped:
            found.append(escape(escaped, inside, pattern))
        else:
            text = posix or plain
            if text[0] == "[" and not inside:
                inside = True
            elif text == "]":
                inside = False
            found.append("[^\\n]" if text == "." and not inside else text)
    return "".join(found)


def others(kind: str, inside: bool, pattern: str) -> str:
    """Unicode's category C as RE2 has it."""
    if inside:
        if kind == "P":
            raise Unsupported(f"the pattern {pattern}")
        return OTHERS
    return f"[{'^' if kind == 'P' else ''}{OTHERS}]"


def escape(character: str, inside: bool, pattern: str) -> str:
    """A backslash and the character after it."""
    if character == "s":
        return SPACES if inside else f"[{SPACES}]"
    if character == "S" and not inside:
        return f"[^{SPACES}]"
    if character == "-" and inside:
        return r"\-"
    if character in SAME:
        return "\\" + character
    if not character.isalnum():
        return character
    raise Unsupported(f"the pattern {pattern}")


def javascript_rewrite(rewrite: str) -> str:
    r"""What a match is replaced by: \1 is $1 in JavaScript, \0 the whole match."""
    text = rewrite.replace("$", "$$")
    return re.sub(r"\\(\d|\\)", lambda match: {"0": "$&", "\\": "\\"}.get(match[1], f"${match[1]}"), text)
