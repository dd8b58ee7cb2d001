"""Elements of SVG pictures. They are built as XML trees, so that any name in the data is escaped and every picture is well-formed."""

import re
from xml.etree import ElementTree

from markupsafe import Markup

Element = ElementTree.Element

# Everything outside the characters that XML 1.0 allows.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def picture(width: float, height: float, label: str, css: str) -> Element:
    """An empty picture of width × height user units that scales to its container, named `label` for screen readers."""
    root = ElementTree.Element(
        "svg", {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {width:g} {height:g}", "role": "img", "class": css}
    )
    root.set("aria-label", clean(label))
    return root


def add(parent: Element, tag: str, text: str | None = None, **attributes: object) -> Element:
    """Adds an element. `css` becomes `class`, underscores in names become hyphens, numbers are rounded to 2 decimals."""
    names = {name: "class" if name == "css" else name.replace("_", "-") for name in attributes}
    element = ElementTree.SubElement(parent, tag, {names[name]: _value(value) for name, value in attributes.items()})
    element.text = None if text is None else clean(text)
    return element


def render(root: Element) -> Markup:
    """The picture as text that may stand in an HTML page as it is: the serializer escaped all text and attributes."""
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def clean(text: str) -> str:
    """The text with characters that XML cannot hold replaced by U+FFFD."""
    return _NOT_XML.sub("\ufffd", text)


def shorten(text: str, length: int) -> str:
    """The text cut to `length` characters, with an ellipsis where something is missing."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _value(value: object) -> str:
    return f"{round(value, 2):g}" if isinstance(value, float) else clean(str(value))
