"""Whether a version is what was pushed: its signature, by a key that is trusted, covers each of its files.

Source: OpenSSF Model Signing, https://github.com/sigstore/model-transparency
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

SIGNATURE = Path("assets.extra") / "model.sig"
RECORD = Path("assets.extra") / "darsena.json"

# How the library tells of files, in a list of strings as Python prints it, and how it is told here.
_DIFFERENCES = {
    "changed": re.compile(r"Hash mismatch for \\?'(.+?)\\?': Expected"),
    "added": re.compile(r"Extra files found in model [^:]*: ([^\"]+)"),
    "missing": re.compile(r"Missing files in model [^:]*: ([^\"]+)"),
}


class Unverified(ValueError):
    """A version that is not signed by a trusted key, or not as it was when it was signed; the message is one line."""


def verify(version_dir: Path, model: str, version: int, trusted: Sequence[Path]) -> None:
    """Checks all files of a version against its signature, and that it was signed as this version of this model.

    Args:
        version_dir: its folder.
        model: the name it is to be served under.
        version: its number.
        trusted: files of public keys (PEM).

    Raises:
        Unverified: says which file was changed, added or is missing, or what else is wrong.
        OSError: a key or a file can't be read.
    """
    from model_signing import hashing, verifying

    file = version_dir / SIGNATURE
    if not file.is_file() or file.is_symlink():
        raise Unverified(f"expected a signature in {file}, found none (darsena sign makes one)")
    key = _signer(file, trusted)
    config = verifying.Config().set_hashing_config(hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False))
    try:
        config.use_elliptic_key_verifier(public_key=key).verify(version_dir, file)
    except OSError:
        raise
    except Exception as error:  # the library raises what its own libraries do on a signature that is damaged
        raise Unverified(f"expected the files that were signed in {version_dir}, received others: {_in_words(str(error))}") from error
    _check_record(version_dir, model, version)


def _signer(signature: Path, trusted: Sequence[Path]) -> Path:
    """The trusted key that the signature says it is by."""
    try:
        hint = json.loads(signature.read_bytes())["verificationMaterial"]["publicKey"]["hint"]
    except (ValueError, LookupError, TypeError) as error:
        raise Unverified(f"expected a signature of model-signing in {signature}, received something else ({error!r})") from None
    known = {fingerprint(key): key for key in trusted}
    if hint not in known:
        by = f"{str(hint)[:16]}…" if isinstance(hint, str) else "no key that is named"
        among = ", ".join(f"{key[:16]}…" for key in known) or "none"
        raise Unverified(f"expected {signature} to be by a key that is trusted ({among}), it is by {by}")
    return known[hint]


def fingerprint(key: Path) -> str:
    """What a signature names a public key by: SHA-256 of it, in hexadecimal.

    Raises:
        Unverified: the file holds no public key.
        OSError: it can't be read.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        read = serialization.load_pem_public_key(key.read_bytes())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unverified(f"expected a public key (PEM) in {key}, received something else ({str(error).partition('. ')[0]})") from None
    pem = read.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(pem).hexdigest()


def _check_record(version_dir: Path, model: str, version: int) -> None:
    """A version that was signed may not be passed off as another one, or as another model's."""
    try:
        record = json.loads((version_dir / RECORD).read_bytes())
        signed = (record["model"], record["version"])
    except (FileNotFoundError, ValueError, LookupError, TypeError) as error:
        raise Unverified(f"expected the model and the version in {version_dir / RECORD}, received something else ({error!r})") from None
    if signed != (model, version):
        raise Unverified(f"expected version {version} of {model} in {version_dir}, it was signed as version {signed[1]} of {signed[0]}")


def _in_words(said: str) -> str:
    """Which files differ, of the library's message; its first sentence where it is about something else."""
    found = [f"{word} {name}" for word, pattern in _DIFFERENCES.items() for name in pattern.findall(said)]
    return ", ".join(found) or " ".join(said.split()).partition(". ")[0] or "its signature does not fit"
