"""Pushed versions that somebody tampers with: bytes, files, links, signatures."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from components.pusher import publication, signing
from reliability.section import Row, Section
from reliability.stand_ins import half_plus, is_signed, private_key, public_keys
from serving.verification import SIGNATURE

MODEL, VERSION, OTHER = "line", 2, 1
BALLAST = 1 << 16

TEXT = """
A version that was pushed is tampered with, and checked as `darsena verify` and the server do. Harm is done by one that passes. The naive
version is TensorFlow's loader alone, which is asked to load the same files and to answer.
"""


def measure(full: bool, folder: Path) -> Section:
    """1,000 of each kind, or 50; of these, TensorFlow's loader is asked about a tenth."""
    served = folder / MODEL
    keys = public_keys()
    for number in (OTHER, VERSION):
        model = half_plus(folder / f"model-{number}", float(number), BALLAST)
        publication.publish(model, served, str(number), {}, lambda extras: None)
    rows = []
    for name, tamper in KINDS.items():
        chance, times, harmed, loaded, tried = random.Random(name), 1000 if full else 50, 0, 0, 0
        for number in range(times):
            damaged = folder / "damaged" / MODEL / str(VERSION)
            shutil.copytree(served / str(VERSION), damaged)
            tamper(damaged, chance)
            harmed += is_signed(damaged, MODEL, VERSION, keys)
            if number % 10 == 0:
                tried, loaded = tried + 1, loaded + loads(damaged)
            shutil.rmtree(folder / "damaged")
        rows.append(Row(name, times, harmed, f"{loaded} of {tried} were loaded, and answered"))
    return Section("Supply chain", TEXT, rows)


def loads(version_dir: Path) -> bool:
    """Whether TensorFlow loads it, and it answers."""
    import tensorflow as tf

    from serving.servable import LOAD_ERRORS

    try:
        tf.saved_model.load(str(version_dir)).signatures["serving_default"](x=tf.constant([1.0]))
    except LOAD_ERRORS:
        return False
    return True


def any_file(folder: Path, chance: random.Random) -> Path:
    """A file of a version."""
    return chance.choice(sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size))


def flip(folder: Path, chance: random.Random) -> None:
    """One bit of one byte of one file."""
    file = any_file(folder, chance)
    content = bytearray(file.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    file.write_bytes(content)


def cut(folder: Path, chance: random.Random) -> None:
    """The end of a file is gone."""
    file = any_file(folder, chance)
    os.truncate(file, chance.randrange(file.stat().st_size))


def remove(folder: Path, chance: random.Random) -> None:
    """A file is gone."""
    any_file(folder, chance).unlink()


def add(folder: Path, chance: random.Random) -> None:
    """A file is there that was not, hidden or not, in one folder or another."""
    place = chance.choice(sorted({path.parent for path in folder.rglob("*")}))
    (place / chance.choice(["vocabulary.txt", ".git", ".gitignore", "saved_model.pb2", "model.sig.2"])).write_text("more")


def link(folder: Path, chance: random.Random) -> None:
    """A file is a link to a copy of itself elsewhere."""
    file = any_file(folder, chance)
    elsewhere = folder.parents[1] / f"elsewhere-{file.name}"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)


def swap(folder: Path, chance: random.Random) -> None:
    """All files, signature and all, are those of another version that was signed."""
    other = folder.parents[2] / MODEL / str(OTHER)
    shutil.rmtree(folder)
    shutil.copytree(other, folder)


def sign_otherwise(folder: Path, chance: random.Random) -> None:
    """The weights are another version's, and the signature is made anew with a key that nobody trusts."""
    shutil.rmtree(folder / "variables")
    shutil.copytree(folder.parents[2] / MODEL / str(OTHER) / "variables", folder / "variables")
    before = os.environ["XDG_CONFIG_HOME"]
    os.environ["XDG_CONFIG_HOME"] = str(folder.parents[2] / "somebody")
    try:
        with private_key() as key:
            signing.sign(folder, key)
    finally:
        os.environ["XDG_CONFIG_HOME"] = before


def without_signature(folder: Path, chance: random.Random) -> None:
    """The weights are another version's, and there is no signature."""
    shutil.rmtree(folder / "variables")
    shutil.copytree(folder.parents[2] / MODEL / str(OTHER) / "variables", folder / "variables")
    (folder / SIGNATURE).unlink()


KINDS: dict[str, Callable[[Path, random.Random], None]] = {
    "a bit that is flipped in any file": flip,
    "a file that is cut": cut,
    "a file that is removed": remove,
    "a file that is added": add,
    "a file that is a link now": link,
    "another signed version in its place": swap,
    "other weights, signed by somebody": sign_otherwise,
    "other weights, not signed": without_signature,
}
