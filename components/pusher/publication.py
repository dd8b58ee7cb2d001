"""Versions of a served model: numbered 1, 2, 3…, each published whole by one rename.

A server may look at the folder at any time, and TF Serving takes a folder with a numeric name as soon as it sees it. So a version
is staged beside the others under a name that is skipped, written through to the disk, then renamed.
"""

from __future__ import annotations

import dataclasses
import datetime
import errno
import hashlib
import json
import os
import platform
import re
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.checksums import sha256
from components.pusher import signing

_STAGING = re.compile(r"\.staging-(?P<pid>\d+)-(?P<host>.*)-[0-9a-f]{8}")
_RECORD = Path("assets.extra") / "darsena.json"


class PushFailed(RuntimeError):
    """The version could not be published; what was served before still is."""


@dataclasses.dataclass(frozen=True)
class Publication:
    """A version that is served.

    Attributes:
        version: its number.
        path: its folder.
        new: whether it was published just now; else the model had been published before.
    """

    version: int
    path: Path
    new: bool


def publish(
    saved_model_dir: Path,
    serving_dir: Path,
    model_uri: str,
    lineage: dict[str, Any],
    add_extras: Callable[[Path], None],
    figures: dict[str, Any] | None = None,
) -> Publication:
    """Publishes a model as the next version, unless it is the latest one already; signed, where this user has a key.

    Args:
        saved_model_dir: the model.
        serving_dir: folder of the versions; made when missing.
        model_uri: of the Model artifact; with the content of the model it tells whether the latest version is this one.
        lineage: what the version was made from, kept in its assets.extra/darsena.json.
        add_extras: called with the staged assets.extra/ folder (TF Serving leaves what it does not know alone) to add files.
        figures: metrics of the model, kept beside the lineage.

    Returns:
        The version, new or found.

    Raises:
        PushFailed: the model could not be read or the version not be written.
    """
    staging = serving_dir / f".staging-{os.getpid()}-{platform.node()}-{uuid.uuid4().hex[:8]}"
    try:
        record: dict[str, Any] = {"model_uri": model_uri, "model_sha256": content_sha256(saved_model_dir)}
        serving_dir.mkdir(parents=True, exist_ok=True)
        _remove_stale(serving_dir)
        latest = max(versions(serving_dir), default=0)
        if latest and is_intact(serving_dir / str(latest), record):
            return Publication(latest, serving_dir / str(latest), new=False)
        shutil.copytree(saved_model_dir, staging)
        extras = staging / _RECORD.parent
        extras.mkdir(exist_ok=True)
        add_extras(extras)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        record |= {"lineage": lineage, "figures": figures or {}, "pushed": now, "files": listing(staging)}
        with signing.key_at_hand() as key:
            version = _rename_to_next(staging, serving_dir, record, key)
    except (OSError, ValueError) as error:
        raise PushFailed(
            f"could not publish {saved_model_dir} under {serving_dir}: {_cause(error)}. What was served before still is. "
            "Check free space and permissions, then run again."
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Publication(version, serving_dir / str(version), new=True)


def versions(serving_dir: Path) -> list[int]:
    """Numbers that are taken, in ascending order."""
    return sorted(int(path.name) for path in serving_dir.iterdir() if re.fullmatch(r"[0-9]+", path.name))


def read_record(version_dir: Path) -> dict[str, Any]:
    """What assets.extra/darsena.json of a version says; empty for a version that someone else put there."""
    file = version_dir / _RECORD
    if not file.is_file():
        return {}
    record: dict[str, Any] = json.loads(file.read_text())
    return record


def is_intact(version_dir: Path, record: dict[str, Any]) -> bool:
    """Whether a version is there, is of this record, and has the files that it was pushed with."""
    try:
        found = read_record(version_dir)
    except ValueError:  # someone wrote in it
        return False
    return record.items() <= found.items() and found.get("files") == listing(version_dir)


def content_sha256(folder: Path) -> str:
    """Digest of names and contents of all files of a folder."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(folder).as_posix()}\0{sha256(file)}\n".encode())
    return digest.hexdigest()


def listing(version_dir: Path) -> list[dict[str, Any]]:
    """Every file of a version with its path, its size in bytes and its SHA-256; but for those that are about the others."""
    about = {_RECORD.as_posix(), signing.FILE.as_posix()}
    found = []
    for file in sorted(path for path in version_dir.rglob("*") if path.is_file()):
        name = file.relative_to(version_dir).as_posix()
        if name not in about:
            found.append({"path": name, "size": file.stat().st_size, "sha256": sha256(file)})
    return found


def write_record(version_dir: Path, record: dict[str, Any], key: Path | None) -> None:
    """Writes a version's darsena.json, and signs it and all other files where there is a key."""
    (version_dir / _RECORD).write_text(json.dumps(record, indent=2) + "\n")
    if key is not None:
        signing.sign(version_dir, key)


def _rename_to_next(staging: Path, serving_dir: Path, record: dict[str, Any], key: Path | None) -> int:
    """Gives the staged version the next free number; when another push takes that first, the one after."""
    while True:
        version = max(versions(serving_dir), default=0) + 1
        write_record(staging, {"model": serving_dir.name, "version": version, **record}, key)
        _write_through(staging)
        try:
            # Fails if the folder is there, because published versions are never empty.
            staging.rename(serving_dir / str(version))
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            continue
        _fsync(serving_dir)
        return version


def _remove_stale(serving_dir: Path) -> None:
    """Removes what killed runs on this machine left staged."""
    for path in serving_dir.iterdir():
        match = _STAGING.fullmatch(path.name)
        if match and match["host"] == platform.node() and not _is_alive(int(match["pid"])):
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _write_through(folder: Path) -> None:
    """Has all files and folders on the disk before the rename is."""
    for path in sorted(folder.rglob("*"), reverse=True):
        _fsync(path)
    _fsync(folder)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cause(error: OSError | ValueError) -> str:
    """One line, also of copytree's list of what went wrong."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        return str(error.args[0][0][2])
    return str(error)
