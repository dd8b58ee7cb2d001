import errno
import hashlib
import json
import os
import platform
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2
from tfx.types import channel, standard_artifacts

from components.artifacts import Exports
from components.pusher import executor, publication, signing
from components.pusher.component import Pusher
from serving.verification import verify
from tests.components.conftest import artifact

FILES = {"saved_model.pb", "fingerprint.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"}


def saved_model(folder: Path, content: str = "a") -> Path:
    """A folder with the files of a SavedModel, for what does not load it."""
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content * 1000)
    return folder


def publish(model: Path, serving_dir: Path, uri: str) -> publication.Publication:
    return publication.publish(model, serving_dir, uri, {"recipe": uri}, lambda extras: None, {"accuracy": 0.9})


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def without_a_key(tmp_path, monkeypatch):
    """Versions are signed only where a test wants it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))


def test_versions_count_up_from_one(tmp_path):
    first = publish(saved_model(tmp_path / "a"), tmp_path / "served", "uri/1")
    second = publish(saved_model(tmp_path / "b", "b"), tmp_path / "served", "uri/2")
    assert (first.version, first.new, second.version, second.new) == (1, True, 2, True)
    assert second.path == tmp_path / "served" / "2"
    assert tree(second.path).keys() == FILES | {"assets.extra/darsena.json"}
    assert (second.path / "saved_model.pb").read_text() == "b" * 1000


@pytest.mark.parametrize(("there", "expected"), [(["7"], 8), (["2", "10"], 11), (["abc", "1a", ".staging-x", "-3"], 1), (["0"], 1)])
def test_the_next_number_follows_whatever_number_is_there(tmp_path, there, expected):
    for name in there:
        (tmp_path / "served" / name).mkdir(parents=True)
    assert publish(saved_model(tmp_path / "a"), tmp_path / "served", "uri/1").version == expected


def test_the_record_says_what_the_version_is(tmp_path):
    done = publish(saved_model(tmp_path / "a"), tmp_path / "served", "uri/1")
    record = json.loads((done.path / "assets.extra" / "darsena.json").read_text())
    assert record.keys() == {"model", "version", "model_uri", "model_sha256", "lineage", "figures", "pushed", "files"}
    assert (record["model"], record["version"], record["model_uri"]) == ("served", 1, "uri/1")
    assert (record["lineage"], record["figures"]) == ({"recipe": "uri/1"}, {"accuracy": 0.9})
    content = hashlib.sha256(b"a" * 1000).hexdigest()
    assert record["files"] == [{"path": name, "size": 1000, "sha256": content} for name in sorted(FILES)]
    assert record["pushed"].endswith("+00:00")


def test_a_user_with_a_key_signs(tmp_path):
    signing.require_key()
    done = publish(saved_model(tmp_path / "a"), tmp_path / "served", "uri/1")
    verify(done.path, "served", 1, [signing.public_key(signing.private_key())])


def test_the_latest_model_is_published_again_where_it_was_changed(tmp_path):
    model, served = saved_model(tmp_path / "a"), tmp_path / "served"
    first = publish(model, served, "uri/1")
    (first.path / "saved_model.pb").write_text("b")
    again = publish(model, served, "uri/1")
    assert (again.version, again.new) == (2, True)
    assert (again.path / "saved_model.pb").read_text() == "a" * 1000


def test_the_latest_model_is_not_published_again(tmp_path):
    model, served = saved_model(tmp_path / "a"), tmp_path / "served"
    publish(model, served, "uri/1")
    before = tree(served)
    again = publish(model, served, "uri/1")
    assert (again.version, again.new) == (1, False)
    assert tree(served) == before

    # An earlier one is (a way back), and so is another model at the same place (the folder of the runs was removed).
    publish(saved_model(tmp_path / "b", "b"), served, "uri/2")
    assert publish(model, served, "uri/1").version == 3
    assert publish(saved_model(tmp_path / "a", "c"), served, "uri/1").version == 4


def test_a_full_disk_changes_nothing(tmp_path, monkeypatch):
    served = tmp_path / "served"
    publish(saved_model(tmp_path / "a"), served, "uri/1")
    before = tree(served)
    copied, copyfile = [], shutil.copyfile

    def copy_until_full(source, target, **options):
        if copied:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)
        copied.append(copyfile(source, target))
        return target

    monkeypatch.setattr(shutil, "copyfile", copy_until_full)
    with pytest.raises(publication.PushFailed, match=r"No space left on device.*What was served before still is"):
        publish(saved_model(tmp_path / "b", "b"), served, "uri/2")
    assert copied and tree(served) == before
    assert [path.name for path in served.iterdir()] == ["1"]


def test_a_failure_after_the_copy_changes_nothing(tmp_path):
    def fail(extras):
        raise PermissionError(errno.EACCES, "Permission denied", str(extras))

    with pytest.raises(publication.PushFailed, match="Permission denied"):
        publication.publish(saved_model(tmp_path / "a"), tmp_path / "served", "uri/1", {}, add_extras=fail)
    assert list((tmp_path / "served").iterdir()) == []


def test_a_place_that_is_no_folder_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(publication.PushFailed, match=r"could not publish .* under .*file/served: .*Not a directory"):
        publish(saved_model(tmp_path / "a"), tmp_path / "file" / "served", "uri/1")


def test_everything_is_on_the_disk_before_the_version_appears(tmp_path, monkeypatch):
    synced, at_rename, fsync, rename = [], [], os.fsync, Path.rename

    def note_fsync(handle):
        synced.append(Path(f"/proc/self/fd/{handle}").readlink())
        fsync(handle)

    def note_rename(path, target):
        at_rename.extend(synced)
        assert {path, *path.rglob("*")} <= set(synced)
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "rename", note_rename)
    publish(saved_model(tmp_path / "a"), tmp_path / "served", "uri/1")
    assert at_rename and synced[len(at_rename) :] == [tmp_path / "served"]


def test_a_reader_never_sees_an_incomplete_version(tmp_path, monkeypatch):
    served = tmp_path / "served"
    served.mkdir()
    models = [saved_model(tmp_path / str(number), str(number)) for number in range(10)]
    incomplete, looks, done, copyfile = [], [], threading.Event(), shutil.copyfile

    def look():
        for name in [entry.name for entry in os.scandir(served) if entry.name.isdigit()]:
            files = {path: len(content) for path, content in tree(served / name).items()}
            looks.append(name)
            if files.pop("assets.extra/darsena.json", 0) == 0 or files != dict.fromkeys(FILES, 1000):
                incomplete.append((name, files))

    def look_until_done():
        while not done.is_set():
            look()

    def copy_and_look(*arguments, **options):
        copyfile(*arguments, **options)
        look()

    # In a thread at any time, and for certain after each file that is copied.
    monkeypatch.setattr(shutil, "copyfile", copy_and_look)
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(look_until_done)
        try:
            for number, model in enumerate(models):
                publish(model, served, f"uri/{number}")
        finally:
            done.set()
        reader.result()
    assert incomplete == [] and looks
    assert publication.versions(served) == list(range(1, 11))


def test_pushes_at_the_same_time_get_numbers_of_their_own(tmp_path):
    models = [saved_model(tmp_path / str(number), str(number)) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda number: publish(models[number], tmp_path / "served", f"uri/{number}"), range(8)))
    assert sorted(one.version for one in done) == list(range(1, 9))
    for number, one in enumerate(done):
        record = publication.read_record(one.path)
        assert (record["model_uri"], record["version"]) == (f"uri/{number}", one.version)
        assert (one.path / "saved_model.pb").read_text() == str(number) * 1000


def test_a_number_taken_at_the_last_moment_is_left_alone(tmp_path, monkeypatch):
    served = tmp_path / "served"
    publish(saved_model(tmp_path / "a"), served, "uri/1")
    before, versions, answers = tree(served / "1"), publication.versions, [[], []]
    monkeypatch.setattr(publication, "versions", lambda folder: answers.pop() if answers else versions(folder))
    assert publish(saved_model(tmp_path / "b", "b"), served, "uri/2").version == 2
    assert tree(served / "1") == before
    assert publication.read_record(served / "2")["version"] == 2


def test_what_dead_runs_staged_is_removed_and_nothing_else(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    host = platform.node()
    stale = f".staging-{ended.pid}-{host}-0123abcd"
    kept = {f".staging-{os.getpid()}-{host}-0123abcd", f".staging-{ended.pid}-elsewhere.{host}-0123abcd", ".hidden"}
    for name in {stale, *kept}:
        saved_model(tmp_path / "served" / name)
    publish(saved_model(tmp_path / "a"), tmp_path / "served", "uri/1")
    assert {path.name for path in (tmp_path / "served").iterdir()} == kept | {"1"}


@pytest.fixture
def exports(tmp_path):
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "exports.json").write_text('{"exports": []}')
    (folder / "int8.tflite").write_bytes(b"TFL3")
    return folder


def test_exports_and_warm_up_requests_go_with_the_model(trained, exports, tmp_path):
    done = executor.push(trained.saved_model, tmp_path / "served" / "tiny", "uri/1", {}, exports, trained.model_run)

    extras = done.path / "assets.extra"
    assert tree(extras / "tflite") == tree(exports)
    golden = np.load(trained.model_run / "golden" / "outputs.npz")["probabilities"]
    serve = tf.saved_model.load(str(done.path)).signatures["raw"]
    logs = list(tf.data.TFRecordDataset(str(extras / "tf_serving_warmup_requests")).as_numpy_iterator())
    assert len(logs) == 8
    for row, log in enumerate(logs):
        request = prediction_log_pb2.PredictionLog.FromString(log).predict_log.request
        assert (request.model_spec.name, request.model_spec.signature_name) == ("tiny", "raw")
        asked = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
        np.testing.assert_allclose(serve(**asked)["probabilities"], golden[row : row + 1], atol=1e-6)


def do(trained, exports, tmp_path, model_blessed, infra_blessed):
    pushed = artifact(standard_artifacts.PushedModel, tmp_path / "pushed")
    infra = artifact(standard_artifacts.InfraBlessing, tmp_path / "infra", blessed=infra_blessed, reason="" if infra_blessed else "NaN")
    executor.Executor().Do(
        {
            "model": [artifact(standard_artifacts.Model, trained.root / "model")],
            "model_blessing": [artifact(standard_artifacts.ModelBlessing, tmp_path / "blessing", blessed=model_blessed)],
            "infra_blessing": [infra],
            "exports": [artifact(Exports, exports)],
        },
        {"pushed_model": [pushed]},
        {"serving_dir": str(tmp_path / "served" / "tiny"), "lineage": '{"run_id": "r"}'},
    )
    return pushed, json.loads((tmp_path / "pushed" / "pushed.json").read_text())


@pytest.mark.parametrize(
    ("model_blessed", "infra_blessed", "reason"),
    [(0, 1, "the Evaluator did not bless the model"), (1, 0, "the serving validator did not bless the model: NaN")],
)
def test_nothing_is_pushed_unless_both_gates_bless(trained, exports, tmp_path, model_blessed, infra_blessed, reason):
    pushed, outcome = do(trained, exports, tmp_path, model_blessed, infra_blessed)
    assert pushed.get_int_custom_property("pushed") == 0 and not pushed.has_custom_property("pushed_version")
    assert outcome == {"pushed": False, "new": False, "version": None, "path": None, "reason": reason}
    assert not (tmp_path / "served").exists()


def test_a_blessed_model_is_pushed_once(trained, exports, tmp_path):
    for new in (True, False):
        pushed, outcome = do(trained, exports, tmp_path, model_blessed=1, infra_blessed=1)
        path = tmp_path / "served" / "tiny" / "1"
        assert outcome == {"pushed": True, "new": new, "version": 1, "path": str(path), "reason": ""}
        assert pushed.get_int_custom_property("pushed") == 1
        assert pushed.get_string_custom_property("pushed_version") == "1"
        assert pushed.get_string_custom_property("pushed_destination") == str(path)
    assert publication.read_record(path)["lineage"] == {"run_id": "r", "blessed_by_hand": None}
    assert [entry.name for entry in path.parent.iterdir()] == ["1"]


def test_the_component_passes_its_parameters_on():
    component = Pusher(
        model=channel.Channel(standard_artifacts.Model),
        model_blessing=channel.Channel(standard_artifacts.ModelBlessing),
        infra_blessing=channel.Channel(standard_artifacts.InfraBlessing),
        serving_dir="served",
        lineage='{"run_id": "r"}',
        code_fingerprint="abc",
    )
    assert component.exec_properties == {"serving_dir": "served", "lineage": '{"run_id": "r"}', "code_fingerprint": "abc"}
    assert set(component.inputs) == {"model", "model_blessing", "infra_blessing"}
