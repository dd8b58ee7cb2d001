"""Reads HTML pages: their elements, their text, and whether every element is closed where it should be."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

VOID = {"meta", "img", "link", "br", "hr", "input"}


class Page(HTMLParser):
    """A page as lists of elements.

    Attributes:
        elements: (tag, attributes) in order.
        texts: pieces of text outside of style sheets.
        styles: text of the style sheets.
        rows: cells' texts of each table row.
        unclosed: elements still open at the end.
    """

    def __init__(self, html: str):
        super().__init__()
        self.html = html
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.styles: list[str] = []
        self.rows: list[list[str]] = []
        self.unclosed: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.unclosed.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed and self.unclosed[-1] == tag, f"</{tag}> inside of {self.unclosed[-3:]} at {self.getpos()}"
        self.unclosed.pop()

    def handle_data(self, data: str) -> None:
        if "style" in self.unclosed:
            self.styles.append(data)
            return
        self.texts.append(data)
        if {"td", "th"}.intersection(self.unclosed) and "svg" not in self.unclosed:
            self.rows[-1][-1] += data.strip()

    @property
    def text(self) -> str:
        """All text of the page, with white space as one blank."""
        return " ".join(" ".join(self.texts).split())

    def row(self, first: str) -> list[str]:
        """The one table row whose first cell says `first`."""
        (found,) = [row for row in self.rows if row and row[0] == first]
        return found

    def section(self, section_id: str) -> "Page":
        """The part of the page in <section id=…>."""
        match = re.search(rf'<section id="{re.escape(section_id)}".*?</section>', self.html, re.DOTALL)
        assert match, f"no section {section_id}"
        return Page(match[0])

    def pictures(self) -> list[ElementTree.Element]:
        """The SVG pictures, each parsed as XML."""
        return [ElementTree.fromstring(text) for text in re.findall(r"<svg.*?</svg>", self.html, re.DOTALL)]
