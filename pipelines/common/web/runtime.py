"""LiteRT.js, which runs TFLite models in a browser: installed once by npm from the lock beside this file, then copied into pages."""

from __future__ import annotations

import importlib.resources
import shutil
from pathlib import Path

from pipelines.common.errors import DarsenaError
from pipelines.common.npm import in_cache

CORE, LOADER = Path("@litertjs/core"), Path("@litertjs/wasm-utils")
# One build of four: it runs in every browser that has SIMD, needs no special headers, and rounds alike everywhere.
WASM = ("wasm/litert_wasm_compat_internal.js", "wasm/litert_wasm_compat_internal.wasm")
IMPORT = '"@litertjs/wasm-utils"'
HEAD = "// @litertjs/{name}, Apache-2.0; the only change: {change}.\n"


def installed(folder: Path | None) -> Path:
    """A folder that holds both packages of the runtime as npm unpacks them, `@litertjs/core` and `@litertjs/wasm-utils`.

    Args:
        folder: one that a user names: that folder itself, `node_modules`, or `@litertjs/core`; None to install with npm.

    Raises:
        DarsenaError: they are not there, or can't be installed.
    """
    if folder is None:
        manifests = importlib.resources.files(__package__) / "runtime"
        return in_cache(manifests, "litert-js", "the browser's runtime (LiteRT.js)", missing, ", or give an unpacked copy: --runtime DIR")
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
