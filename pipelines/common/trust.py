"""Which versions may be used: those signed by a key that is trusted, and unchanged since."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.pusher import signing
from pipelines.common.errors import DarsenaError, UsageError
from pipelines.common.layout import serving_dir, versions


def trusted_keys(named: Sequence[Path] = ()) -> list[Path]:
    """Files of the public keys that are trusted: this user's own, if there is one, and those that were named.

    Args:
        named: as --trust has them.

    Raises:
        UsageError: one that was named is no public key.
    """
    from serving.verification import Unverified, fingerprint

    for key in named:
        try:
            fingerprint(key)
        except (OSError, Unverified) as error:
            raise UsageError(f"expected --trust to name a file with a public key, received {key}: {error}.") from error
    own = signing.public_key(signing.private_key())
    return [*([own] if own.is_file() else []), *named]


def require_key() -> None:
    """Makes this user's signing key, unless there is one.

    Raises:
        DarsenaError: it can't be made.
    """
    try:
        signing.require_key()
    except (OSError, ValueError) as error:
        raise DarsenaError(
            f"expected a private key (PEM, ECDSA) for signatures of pushed versions, received: {str(error).partition('. ')[0]}. "
            f"Mend what is named there, or have ${signing.KEY} name another file."
        ) from error


def version_folder(root: Path, model: str, version: int) -> Path:
    """The folder of a version, whoever signed it.

    Raises:
        DarsenaError: there is no such version.
    """
    there = versions(root, model)
    if version not in there:
        known = ", ".join(map(str, there)) or "none"
        raise DarsenaError(f"expected version {version} of {model} in {serving_dir(root, model)}, found {known}.")
    return serving_dir(root, model) / str(version)


def verified(root: Path, model: str, version: int, named: Sequence[Path] = ()) -> Path:
    """The folder of a version, once its signature was checked.

    Args:
        root: of the runs.
        model: the version's.
        version: its number.
        named: keys that are trusted beside this user's own.

    Raises:
        DarsenaError: the version is not as it was pushed, or by nobody who is trusted.
    """
    from serving.verification import Unverified, verify

    folder = version_folder(root, model, version)
    try:
        verify(folder, model, version, trusted_keys(named))
    except (OSError, Unverified) as error:
        raise DarsenaError(f"version {version} of {model} is refused: {error}. {remedy(model, version)}") from error
    return folder


def remedy(model: str, version: int) -> str:
    """What to do about a version that is refused."""
    return (
        f"Push again (darsena run {model}), trust who signed it (darsena verify and serve take --trust FILE), "
        f"or sign it yourself, if you know where it is from: darsena sign {model} --version {version}"
    )
