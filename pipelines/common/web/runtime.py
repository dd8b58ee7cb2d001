"""LiteRT.js, which runs TFLite models in a browser: installed once by npm from the lock beside this file, then copied into pages."""

from __future__ import annotations

import hashlib
import importlib.resources
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from pipelines.common.downloads import cache_folder
from pipelines.common.errors import DarsenaError

MANIFESTS = ("package.json", "package-lock.json")
CORE, LOADER = Path("@litertjs/core"), Path("@litertjs/wasm-utils")
# One build of four: it runs in every browser that has SIMD, needs no special headers, and rounds alike everywhere.
WASM = ("wasm/litert_wasm_compat_internal.js", "wasm/litert_wasm_compat_internal.wasm")
IMPORT = '"@litertjs/wasm-utils"'
HEAD = "// @litertjs/{name}, Apache-2.0; the only change: {change}.\n"
SECONDS = 600


def installed(folder: Path | None) -> Path:
    """A folder that holds both packages of the runtime as npm unpacks them, `@litertjs/core` and `@litertjs/wasm-utils`.

    Args:
        folder: one that a user names: that folder itself, `node_modules`, or `@litertjs/core`; None to install with npm.

    Raises:
        DarsenaError: they are not there, or can't be installed.
    """
    if folder is None:
        return in_cache()
    for place in (folder, folder / "node_modules", folder.resolve().parent.parent):
        if missing(place) is None:
            return place
    raise DarsenaError(
        f"expected the npm packages {CORE} and {LOADER} in {folder} (--runtime), received no {missing(folder)}. "
        "Give the node_modules folder that npm install @litertjs/core makes."
    )


def missing(place: Path) -> Path | None:
    """The first file of the runtime that a folder lacks."""
    wanted = [CORE / "dist/index.js", LOADER / "dist/index.js", *(CORE / name for name in WASM)]
    return next((name for name in wanted if not (place / name).is_file()), None)


def in_cache() -> Path:
    """The packages as the lock has them, in the cache; installed there the first time."""
    manifests = {name: (importlib.resources.files(__package__) / "runtime" / name).read_bytes() for name in MANIFESTS}
    digest = hashlib.sha256(b"".join(manifests.values())).hexdigest()[:12]
    folder = cache_folder() / "litert-js" / digest
    if missing(folder / "node_modules") is None:
        return folder / "node_modules"
    npm = shutil.which("npm")
    if npm is None:
        raise DarsenaError(
            "expected npm, which installs the browser's runtime (LiteRT.js), found none. Install Node.js with npm (Debian, Ubuntu: "
            "apt install npm), or give an unpacked copy: --runtime DIR."
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".installing-", dir=folder.parent) as work:
            place = Path(work) / "runtime"
            place.mkdir()
            for name, content in manifests.items():
                (place / name).write_bytes(content)
            install(npm, place)
            shutil.rmtree(folder, ignore_errors=True)
            place.replace(folder)
    except OSError as error:
        raise DarsenaError(
            f"expected to write {folder}, could not: {error.strerror or error}. Free some space, or set DARSENA_CACHE."
        ) from error
    return folder / "node_modules"


def install(npm: str, place: Path) -> None:
    """Runs `npm ci`, with the user's settings; the lock's checksums are verified.

    Raises:
        DarsenaError: it failed, or the packages lack something.
    """
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    try:
        done = subprocess.run(command, cwd=place, env=os.environ, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise DarsenaError(
            f"expected npm to install LiteRT.js within {SECONDS} s, it did not. Try again, or give a copy: --runtime DIR."
        ) from error
    lines = [line for line in done.stderr.strip().splitlines() if "complete log" not in line and "/_logs/" not in line]
    if done.returncode:
        raise DarsenaError(
            f"expected npm to install LiteRT.js, received: {' / '.join(lines[:4]) or done.returncode}. Look at npm's settings "
            "(npm config list), or give a copy: --runtime DIR."
        )
    if (name := missing(place / "node_modules")) is not None:
        raise DarsenaError(f"expected {name} among what npm installed, there is none. Delete {place.parent.parent} and try again.")


def copy_into(packages: Path, folder: Path) -> None:
    """Copies what a page needs of the runtime: two modules, one WebAssembly build with its loader, and the licence.

    Args:
        packages: see `installed`.
        folder: existing, gets `litert.js`, `wasm-utils.js`, `wasm/` and `LICENSE`.
    """
    core = (packages / CORE / "dist/index.js").read_text(encoding="utf-8").replace(IMPORT, '"./wasm-utils.js"')
    loader = (packages / LOADER / "dist/index.js").read_text(encoding="utf-8")
    (folder / "litert.js").write_text(
        HEAD.format(name="core", change="where it imports its loader from") + without_map(core), encoding="utf-8"
    )
    (folder / "wasm-utils.js").write_text(HEAD.format(name="wasm-utils", change="no source map") + without_map(loader), encoding="utf-8")
    (folder / "wasm").mkdir()
    for name in WASM:
        shutil.copyfile(packages / CORE / name, folder / name)
    licence = importlib.resources.files(__package__) / "runtime" / "LICENSE"
    (folder / "LICENSE").write_bytes(licence.read_bytes())


def without_map(script: str) -> str:
    """A module without the comment that sends a debugger after a file that is not copied."""
    return "".join(line for line in script.splitlines(keepends=True) if not line.startswith("//# sourceMappingURL="))
