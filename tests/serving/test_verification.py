"""Versions that were signed by the Pusher's own code, and what became of them since."""

import json
import os
import shutil
from pathlib import Path

import pytest
from model_signing import hashing, verifying

from components.pusher import publication, signing
from serving.server import ModelServer
from serving.verification import SIGNATURE, Unverified, fingerprint, verify
from tests.serving.conftest import NEVER


def keys(monkeypatch, folder: Path) -> Path:
    """A user with keys of their own from here on; the public one."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    signing.require_key()
    return signing.public_key(signing.private_key())


@pytest.fixture
def trusted(tmp_path, monkeypatch) -> Path:
    return keys(monkeypatch, tmp_path / "settings")


@pytest.fixture
def version(tmp_path, trusted) -> Path:
    """Version 3 of "tiny", signed."""
    folder = tmp_path / "served/tiny/3"
    for name in ("saved_model.pb", "variables/variables.index", "assets/vocabulary.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "assets.extra").mkdir()
    with signing.key_at_hand() as key:
        publication.write_record(folder, {"model": "tiny", "version": 3, "files": publication.listing(folder)}, key)
    return folder


def test_keys_are_for_their_owner_and_stay(trusted):
    private = signing.private_key()
    assert private.stat().st_mode & 0o777 == 0o600 and private.parent.stat().st_mode & 0o777 == 0o700
    before = private.read_bytes(), trusted.read_bytes()
    trusted.unlink()
    signing.require_key()
    assert (private.read_bytes(), trusted.read_bytes()) == before


def test_a_version_as_it_was_signed(version, trusted):
    verify(version, "tiny", 3, [trusted])
    # The library's own check, as others would call it.
    everything = hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)
    verifying.Config().set_hashing_config(everything).use_elliptic_key_verifier(public_key=trusted).verify(version, version / SIGNATURE)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda folder: damage(folder / "saved_model.pb"), "changed saved_model.pb"),
        (lambda folder: damage(folder / "assets/vocabulary.txt"), "changed assets/vocabulary.txt"),
        (lambda folder: damage(folder / "assets.extra/darsena.json"), "changed assets.extra/darsena.json"),
        (lambda folder: (folder / "it's new").write_text(""), "added it's new"),
        (lambda folder: (folder / ".gitignore").write_text(""), "added .gitignore"),
        (lambda folder: (folder / "variables/variables.index").unlink(), "missing variables/variables.index"),
        (lambda folder: (folder / "assets/link").symlink_to("/etc/passwd"), "symlink"),
        (lambda folder: os.mkfifo(folder / "assets/pipe"), "assets/pipe"),
        (lambda folder: (folder / SIGNATURE).unlink(), "found none"),
        (lambda folder: (folder / SIGNATURE).write_text("{}"), "something else"),
        (lambda folder: damage(folder / SIGNATURE), ""),
    ],
)
def test_a_version_that_was_changed_since(version, trusted, act, said):
    act(version)
    with pytest.raises(Unverified) as raised:
        verify(version, "tiny", 3, [trusted])
    assert said in str(raised.value) and "\n" not in str(raised.value)


def test_two_changes_in_one_line(version, trusted):
    damage(version / "saved_model.pb")
    (version / "variables/variables.index").unlink()
    with pytest.raises(Unverified, match=r"others: changed saved_model.pb, missing variables/variables.index$"):
        verify(version, "tiny", 3, [trusted])


@pytest.mark.parametrize(("model", "number"), [("tiny", 4), ("other", 3)])
def test_a_version_that_is_passed_off_as_another(version, trusted, model, number):
    elsewhere = version.parents[1] / model / str(number)
    shutil.copytree(version, elsewhere)
    with pytest.raises(Unverified, match=r"it was signed as version 3 of tiny"):
        verify(elsewhere, model, number, [trusted])


def test_a_signature_of_somebody_else(version, trusted, tmp_path, monkeypatch):
    other = keys(monkeypatch, tmp_path / "other")
    assert fingerprint(other) != fingerprint(trusted)
    for known in ([], [other]):
        with pytest.raises(Unverified, match=f"it is by {fingerprint(trusted)[:16]}"):
            verify(version, "tiny", 3, known)
    verify(version, "tiny", 3, [other, trusted])


def test_a_signature_that_borrows_a_trusted_name(version, trusted, tmp_path, monkeypatch):
    other = keys(monkeypatch, tmp_path / "other")
    with signing.key_at_hand() as key:
        signing.sign(version, key)
    bundle = json.loads((version / SIGNATURE).read_text())
    assert bundle["verificationMaterial"]["publicKey"]["hint"] == fingerprint(other)
    bundle["verificationMaterial"]["publicKey"]["hint"] = fingerprint(trusted)
    (version / SIGNATURE).write_text(json.dumps(bundle))
    with pytest.raises(Unverified, match="signature"):
        verify(version, "tiny", 3, [trusted])


def test_what_is_no_public_key(version, tmp_path):
    (tmp_path / "key.pub").write_text("ssh-rsa AAAA")
    with pytest.raises(Unverified, match=r"expected a public key \(PEM\) in .*key.pub"):
        verify(version, "tiny", 3, [tmp_path / "key.pub"])


def test_a_key_that_is_given_as_text(version, trusted, monkeypatch):
    monkeypatch.setenv(signing.KEY, signing.private_key().read_text())
    (version / SIGNATURE).unlink()
    with signing.key_at_hand() as key:
        signing.sign(version, key)
    assert not key.exists()
    verify(version, "tiny", 3, [trusted])


def test_a_key_that_is_named_and_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv(signing.KEY, str(tmp_path / "lost.key"))
    with pytest.raises(FileNotFoundError, match=r"expected a private key in .*lost.key"), signing.key_at_hand():
        pass
    with pytest.raises(FileNotFoundError):
        signing.require_key()
    assert not (tmp_path / "lost.key").exists()


def test_the_server_goes_on_with_the_version_before_one_that_was_changed(exported, trusted, tmp_path):
    base = tmp_path / "base"
    (base / "tiny").mkdir(parents=True)
    for number in (1, 2):
        folder = exported.publish(number, base)
        (folder / "assets.extra").mkdir(exist_ok=True)
        with signing.key_at_hand() as key:
            publication.write_record(folder, {"model": "tiny", "version": number}, key)
    data = base / "tiny/2/variables/variables.data-00000-of-00001"
    content = data.read_bytes()
    damage(data)
    with ModelServer(base, grpc_port=0, rest_port=0, poll_seconds=NEVER, trusted=[trusted]) as server:
        assert server.served() == {"tiny": 1}
        data.write_bytes(content)
        server.scan()
        assert server.served() == {"tiny": 2}
        # One that nobody signed is taken up as soon as somebody does.
        unsigned = exported.publish(1, base, 3)
        server.scan()
        assert server.served() == {"tiny": 2}
        (unsigned / "assets.extra").mkdir(exist_ok=True)
        with signing.key_at_hand() as key:
            publication.write_record(unsigned, {"model": "tiny", "version": 3}, key)
        server.scan()
        assert server.served() == {"tiny": 3}
