"""Headless Chromium and pages in it, for tests; they are skipped, saying why, where the system brings no Chromium or no npm."""

import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from pipelines.common.downloads import cache_folder
from pipelines.common.web import runtime
from pipelines.common.web.hosting import page_server

# As root Chromium runs without its sandbox only; the others keep it from asking for anything but the page.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
READY = "html[data-ready]"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, started once."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on this machine: install Debian's package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def packages() -> Path:
    """The npm packages of the runtime."""
    if shutil.which("npm") is None and not (cache_folder() / "litert-js").is_dir():
        pytest.skip("no npm on this machine, which installs the pages' runtime: install Debian's package npm")
    return runtime.installed(None)


class Visit:
    """A page that a browser has open.

    Attributes:
        page: Playwright's.
        foreign: requests to another origin than the page's.
        errors: what the page wrote to its console as errors, or threw.
    """

    def __init__(self, context: BrowserContext, origin: str):
        self.page: Page = context.new_page()
        self.foreign: list[str] = []
        self.errors: list[str] = []
        allowed = (f"{origin}/", "blob:", "data:")
        context.on("request", lambda request: None if request.url.startswith(allowed) else self.foreign.append(request.url))
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def ask(self, rows: list[dict[str, Any]]) -> list[dict[str, list[float]]]:
        """The page's answers to rows of inputs: what its own controls call. Of an encoded picture a row has the base64 of its file."""
        return self.page.evaluate(
            """async (rows) => {
                const {ready} = await import(new URL('js/app.js', document.baseURI));
                const {pixelsOf} = await import(new URL('js/photo.js', document.baseURI));
                const {bytesOf} = await import(new URL('js/pictures.js', document.baseURI));
                const {model, page} = await ready;
                const answers = [];
                for (const row of rows) {
                    for (const input of page.inputs) {
                        if (input.encoded) row[input.name] = (await pixelsOf(new Blob([bytesOf(row[input.name])]), input)).data;
                    }
                    answers.push((await model.ask(row)).outputs);
                }
                return answers;
            }""",
            rows,
        )

    def until(self, condition: str) -> None:
        """Waits for a condition in JavaScript, ten seconds at most. (Playwright's own wait uses eval, which the page forbids.)"""
        self.page.evaluate(
            f"""async () => {{
                const start = performance.now();
                while (!({condition})) {{
                    if (performance.now() - start > 10000) throw new Error('ten seconds passed');
                    await new Promise(requestAnimationFrame);
                }}
            }}"""
        )

    def values(self) -> list[str]:
        """The numbers beside the bars."""
        return self.page.locator(".bars .value").all_inner_texts()


@contextlib.contextmanager
def hosted(folder: Path) -> Iterator[str]:
    """Serves a folder on loopback; yields its origin."""
    server = page_server(folder, 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def visited(browser: Browser, folder: Path, path: str = "", **options: Any) -> Iterator[Visit]:
    """Opens a page from its folder (or from `path` below the folder that is served), and waits until it can be asked."""
    with hosted(folder) as origin:
        context = browser.new_context(**options)
        try:
            visit = Visit(context, origin)
            visit.page.goto(f"{origin}/{path}")
            visit.page.wait_for_selector(READY, state="attached", timeout=60_000)
            yield visit
        finally:
            context.close()
