"""`make audit`: asks PyPI for known vulnerabilities of what the lock files name.

Fails (1) on one that `scripts/audit_allowed.toml` does not allow, and on an allowance that is past its last day. Where PyPI does not
answer, or does not know the packages, nothing was audited: it says so, and ends with 3. An allowance:

    [[allowed]]
    package = "some-package"
    id = "PYSEC-2026-1"
    reason = "the parser that it is in is not used; the fixed version does not fit TFX"
    until = 2027-03-31
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
ALLOWED = Path(__file__).with_name("audit_allowed.toml")
KEYS = {"package", "id", "reason", "until"}
BAD, NOT_AUDITED = 1, 3


class AuditError(Exception):
    """What the audit ends with, in one line."""


@dataclasses.dataclass(frozen=True)
class Found:
    """What PyPI says of the packages of a lock file.

    Attributes:
        vulnerable: (package, version, identifier, other identifiers, versions that mend it) of each vulnerability.
        unknown: packages that PyPI said nothing of, with the reason.
        packages: how many it was asked about.
    """

    vulnerable: list[tuple[str, str, str, tuple[str, ...], tuple[str, ...]]]
    unknown: dict[str, str]
    packages: int


def lock_files() -> list[Path]:
    """Those of the repository, the shortest first: where PyPI knows none of its packages, there is no need to ask about the others."""
    tracked = subprocess.run(["git", "ls-files", "*.lock"], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout.split()
    found = [path for name in tracked if "--hash=sha256:" in (path := REPOSITORY / name).read_text()]
    return sorted(found, key=lambda path: path.stat().st_size)


def audit(lock: Path) -> Found:
    """Asks about the packages of a lock file, installing nothing.

    Raises:
        AuditError: nobody answers.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "audit.json"
        options = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json", "--output", str(answer)]
        command = [sys.executable, "-m", "pip_audit", *options, "--requirement", str(lock)]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        if not answer.is_file():
            said = (ended.stderr.strip().splitlines() or ["nothing"])[-1]
            raise AuditError(f"expected PyPI to answer about {lock.name}, received: {said}")
        return found_in(json.loads(answer.read_text()))


def found_in(answer: Mapping[str, Any]) -> Found:
    """What pip-audit's JSON says. It counts a package that PyPI does not know as one without vulnerabilities; this does not."""
    vulnerable, unknown = [], {}
    for package in answer["dependencies"]:
        if "skip_reason" in package:
            unknown[package["name"]] = package["skip_reason"]
        for one in package.get("vulns", ()):
            vulnerable.append((package["name"], package["version"], one["id"], tuple(one["aliases"]), tuple(one["fix_versions"])))
    return Found(vulnerable, unknown, len(answer["dependencies"]))


def allowances(text: str, today: datetime.date) -> dict[tuple[str, str], str]:
    """Reasons by (package, identifier).

    Raises:
        AuditError: the text is not of that form, or an allowance is past its last day.
    """
    try:
        entries = tomllib.loads(text).get("allowed", [])
    except ValueError as error:
        raise AuditError(f"expected {ALLOWED.name} to be TOML, received: {error}") from error
    for entry in entries:
        if entry.keys() != KEYS or not str(entry["reason"]).strip() or type(entry["until"]) is not datetime.date:
            raise AuditError(f"expected package, id, a reason and until = DATE of each entry of {ALLOWED.name}, received {entry}")
        if entry["until"] < today:
            raise AuditError(f"the allowance of {entry['id']} of {entry['package']} ended on {entry['until']}: mend it, or look at it anew")
    return {(entry["package"], entry["id"]): entry["reason"] for entry in entries}


def judged(lock: str, found: Found, allowed: Mapping[tuple[str, str], str]) -> tuple[list[str], int]:
    """What to say of a lock file, and the exit code that it asks for."""
    lines, code = [], 0
    for name, version, identifier, others, fixed in found.vulnerable:
        reason = next((allowed[name, one] for one in (identifier, *others) if (name, one) in allowed), None)
        code = code if reason else BAD
        mended = f"mended in {', '.join(fixed)}" if fixed else "not mended yet"
        lines.append(f"{lock}: {name} {version} has {identifier}, {mended}" + (f"; allowed: {reason}" if reason else ""))
    if found.unknown:
        code = code or NOT_AUDITED
        name, reason = next(iter(found.unknown.items()))
        lines.append(f"{lock}: {len(found.unknown)} of {found.packages} packages could not be audited, such as {name}: {reason}")
    return lines or [f"{lock}: {found.packages} packages, no known vulnerability"], code


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line, see the head of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("locks", nargs="*", type=Path, metavar="LOCK", help="all those of the repository by default")
    locks = parser.parse_args(arguments).locks or lock_files()
    codes = set()
    try:
        allowed = allowances(ALLOWED.read_text(), datetime.date.today())
    except AuditError as error:
        sys.stderr.write(f"audit: {error}\n")
        return BAD
    for lock in locks:
        try:
            found = audit(lock)
            lines, code = judged(str(lock.resolve().relative_to(REPOSITORY)), found, allowed)
        except AuditError as error:
            found, lines, code = None, [str(error)], NOT_AUDITED
        codes.add(code)
        sys.stdout.write("".join(f"audit: {line}\n" for line in lines))
        if found is None or len(found.unknown) == found.packages:
            break
    return BAD if BAD in codes else max(codes, default=0)


if __name__ == "__main__":
    sys.exit(main())
