"""What faults are tried on: a small model that tells which one it is, the keys that its versions are signed with, small disks."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from components.pusher import publication, signing

NO_DISK = "not tried: only root may make a small disk here"


def half_plus(folder: Path, constant: float, ballast: int = 0, turns: int = 0) -> Path:
    """Writes a SavedModel, y = x / 2 + constant.

    Args:
        folder: to write.
        constant: by which answers tell models apart.
        ballast: bytes of weights that nothing is made of.
        turns: of a loop that an answer waits for, each of some microseconds.
    """
    import tensorflow as tf

    def answer(x: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies(tf.while_loop(lambda turn: turn < turns, lambda turn: (turn + 1,), [tf.constant(0)])):
            return {"y": x * module.half + constant}

    module = tf.Module()
    module.half = tf.Variable(0.5)
    module.ballast = tf.Variable(tf.random.stateless_uniform([ballast // 4], [1, int(constant)]))
    module.serve = tf.function(answer, input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    tf.saved_model.save(module, str(folder), signatures=module.serve)
    return folder


def served_before(version: Path) -> None:
    """Puts such a model in the place of a version, signed; runs take it for one of other signatures, and compare nothing with it."""
    half_plus(version, 2.0)
    (version / "assets.extra").mkdir(exist_ok=True)
    lineage = {"recipe": "", "baseline": None, "signatures": 0}
    record = {"model": version.parent.name, "version": int(version.name), "model_uri": "", "lineage": lineage}
    with private_key() as key:
        publication.write_record(version, record | {"files": publication.listing(version)}, key)


@contextlib.contextmanager
def private_key() -> Iterator[Path]:
    """The key that versions are signed with, made if there is none."""
    signing.require_key()
    with signing.key_at_hand() as key:
        if key is None:
            raise FileNotFoundError(signing.private_key())
        yield key


def is_signed(version_dir: Path, model: str, version: int, keys: list[Path]) -> bool:
    """Whether the check that the server makes lets a version through."""
    from serving.verification import Unverified, verify

    try:
        verify(version_dir, model, version, keys)
    except Unverified:
        return False
    return True


def public_keys() -> list[Path]:
    """The public one of it."""
    signing.require_key()
    return [signing.public_key(signing.private_key())]


@contextlib.contextmanager
def small_disk(place: Path, size: int) -> Iterator[bool]:
    """A disk in memory for as long as the block lasts; tells whether there is one, which only root may make.

    Args:
        place: its folder, which is made.
        size: of the disk, in bytes.
    """
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(place)], check=True)
