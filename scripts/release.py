"""`make release`: builds what a release consists of into `dist/`, and uploads nothing.

That is the wheel and the source archive, the bill of materials (CycloneDX) of what requirements.lock names, and SHA256SUMS of all.
The version of setup.py must have its section in CHANGELOG.md.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DIST = REPOSITORY / "dist"
PROJECT = '[project]\nname = "darsena"\nversion = "{version}"\nlicense = "Apache-2.0"\n'


def version() -> str:
    """Of setup.py."""
    asked = [sys.executable, "setup.py", "--quiet", "--version"]
    return subprocess.run(asked, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout.strip()


def has_section(changelog: str, wanted: str) -> bool:
    """Whether a changelog has a dated section of a version, as Keep a Changelog has it."""
    return re.search(rf"^## \[{re.escape(wanted)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE) is not None


def bill_of_materials(wanted: str, lock: Path, file: Path) -> None:
    """Writes the CycloneDX bill of what a lock file names, the same one each time: names, versions, hashes, and no addresses."""
    project = file.with_suffix(".toml")
    project.write_text(PROJECT.format(version=wanted))
    options = ["--pyproject", str(project), "--short-PURLs", "--output-reproducible", "--output-format", "JSON", "--output-file", str(file)]
    quiet = ["-W", "ignore::UserWarning"]  # of what depends on what, which a lock file does not say
    subprocess.run([sys.executable, *quiet, "-m", "cyclonedx_py", "requirements", *options, str(lock)], check=True)
    project.unlink()
    bill = json.loads(file.read_text())
    del bill["metadata"]["tools"]  # their web pages
    for component in bill["components"]:
        del component["description"]  # the line of the lock file
        component["hashes"] = [found for source in component.pop("externalReferences", ()) for found in source.get("hashes", ())]
    file.write_text(json.dumps(bill, indent=2) + "\n")


def sums(folder: Path) -> str:
    """A line for each file of a folder, as sha256sum writes it."""
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(folder.iterdir()))


def main() -> int:
    """The command line, see the head of this module."""
    wanted = version()
    if not has_section((REPOSITORY / "CHANGELOG.md").read_text(), wanted):
        sys.stderr.write(f"release: expected a section '## [{wanted}] - DATE' in CHANGELOG.md, found none: rename [Unreleased].\n")
        return 1
    shutil.rmtree(DIST, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:  # what an earlier build left in build/ would be in the wheel
        source, wheel = ["sdist", "--dist-dir", str(DIST)], ["bdist_wheel", "--dist-dir", str(DIST), "--bdist-dir", f"{scratch}/wheel"]
        build = [sys.executable, "setup.py", "--quiet", "build", "--build-base", f"{scratch}/build", *source, *wheel]
        subprocess.run(build, cwd=REPOSITORY, check=True)
    bill_of_materials(wanted, REPOSITORY / "requirements.lock", DIST / f"darsena-{wanted}.cdx.json")
    (DIST / "SHA256SUMS").write_text(sums(DIST))
    sys.stdout.write(f"release: {', '.join(file.name for file in sorted(DIST.iterdir()))} in dist/\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
