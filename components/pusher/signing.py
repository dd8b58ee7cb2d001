"""Signatures of pushed versions, in the format of sigstore's model-signing, with a key of this user.

A signature covers every file of a version but itself, so that one that is changed, added or missing shows.

Source: OpenSSF Model Signing, https://github.com/sigstore/model-transparency
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

FILE = Path("assets.extra") / "model.sig"  # in a version's folder
KEY = "DARSENA_SIGNING_KEY"  # a file with the private key, or the key itself, as a secret of a cluster is given
_BEGIN = "-----BEGIN"


def private_key() -> Path:
    """The file with this user's private key: $DARSENA_SIGNING_KEY, or `darsena/signing.key` among the user's settings."""
    named = os.environ.get(KEY, "")
    if named and not named.startswith(_BEGIN):
        return Path(named)
    settings = os.environ.get("XDG_CONFIG_HOME")
    return (Path(settings) if settings else Path.home() / ".config") / "darsena" / "signing.key"


def public_key(private: Path) -> Path:
    """The file with the public key that belongs to a private one: beside it."""
    return private.with_suffix(".pub")


def require_key() -> None:
    """Has this user's pair of keys in its place: makes the private key (ECDSA, NIST P-256) if there is none, and the public one of it.

    A key that $DARSENA_SIGNING_KEY names has to be there.

    Raises:
        OSError: they can't be read or written.
        ValueError: what is there is no private key.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    if os.environ.get(KEY, "").startswith(_BEGIN):
        return
    private = private_key()
    if not private.exists() and not os.environ.get(KEY):
        made = ec.generate_private_key(ec.SECP256R1())
        secret = made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        private.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _put(private, secret)
    if not public_key(private).exists():
        key = serialization.load_pem_private_key(private.read_bytes(), None)
        _put(
            public_key(private), key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )


def _put(file: Path, content: bytes) -> None:
    """Writes a file for its owner's eyes only, whole; one that another process put there meanwhile stays."""
    with tempfile.NamedTemporaryFile(prefix=".making-", dir=file.parent) as made, contextlib.suppress(FileExistsError):
        made.write(content)
        made.flush()
        os.fsync(made.fileno())
        os.link(made.name, file)


@contextlib.contextmanager
def key_at_hand() -> Iterator[Path | None]:
    """A file with the private key while the block lasts; None if this user has none."""
    given = os.environ.get(KEY, "")
    if not given.startswith(_BEGIN):
        file = private_key()
        if given and not file.is_file():
            raise FileNotFoundError(f"expected a private key in {file}, which ${KEY} names, found no such file")
        yield file if file.is_file() else None
        return
    with tempfile.NamedTemporaryFile(prefix="signing-", mode="w") as made:
        made.write(given)
        made.flush()
        yield Path(made.name)


def sign(version_dir: Path, key: Path) -> None:
    """Writes the signature of a version's folder into it, in place of one that is there.

    Args:
        version_dir: the folder.
        key: file of the private key.

    Raises:
        OSError: the key can't be read, or the signature not be written.
        ValueError: the key is none, or the folder holds links.
    """
    from model_signing import hashing, signing

    everything_else = hashing.Config().set_ignored_paths(paths=[FILE], ignore_git_paths=False)
    signing.Config().set_hashing_config(everything_else).use_elliptic_key_signer(private_key=key).sign(version_dir, version_dir / FILE)
