"""Pictures in sections of the report that move: animations and videos, told by what their files begin with."""

import base64
from pathlib import Path
from typing import Any

import pytest

from reporting.html import render
from tests.reporting import records
from tests.reporting.page import Page


@pytest.fixture
def run(tmp_path: Path) -> dict[str, Any]:
    return records.write_run(tmp_path)


def test_pictures_may_move(run: dict[str, Any], tmp_path: Path) -> None:
    contents = {
        "a.gif": ("image/gif", b"GIF89a and so on"),
        "b.gif": ("image/gif", b"GIF87a"),
        "c.mp4": ("video/mp4", b"\0\0\0\x20ftypisom"),
    }
    for file, (_, content) in contents.items():
        (tmp_path / "mistakes" / file).write_bytes(content)
    pictures = [{"file": file, "caption": f"of {file}"} for file in contents]
    records.write_json(tmp_path / "mistakes", "section.json", {"title": "T", "pictures": pictures})
    section = Page(render(run)).section("extra-1")
    found = [(tag, attributes) for tag, attributes in section.elements if tag in ("img", "video")]
    assert [tag for tag, _ in found] == ["img", "img", "video"]
    for (_, attributes), (kind, content) in zip(found, contents.values(), strict=True):
        assert attributes["src"] == f"data:{kind};base64," + base64.b64encode(content).decode()
    assert found[2][1]["aria-label"] == "of c.mp4" and "controls" in found[2][1] and "autoplay" not in found[2][1]


@pytest.mark.parametrize("content", [b"ftypisom", b"GIF88a", b"\0\0\0\x20moov", b"<svg/>", b""])
def test_what_only_looks_like_a_moving_picture_is_left_out(run: dict[str, Any], tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mistakes" / "a.mp4").write_bytes(content)
    records.write_json(tmp_path / "mistakes", "section.json", {"title": "T", "pictures": [{"file": "a.mp4", "caption": "c"}]})
    section = Page(render(run)).section("extra-1")
    assert "Expected a PNG, a GIF or an MP4: a.mp4" in section.text
    assert not {"img", "video"} & {tag for tag, _ in section.elements}
