"""A SavedModel that could do more than calculate is not loaded, and nothing of it runs."""

import re
import shutil
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from serving import operations
from serving.allowed_operations import ALLOWED
from serving.errors import ForeignModel
from serving.store import ModelStore
from tests.serving import foreign
from tests.serving.conftest import MAX_BYTES
from tests.serving.exported import NAME


def edited(folder: Path) -> saved_model_pb2.SavedModel:
    return saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())


def write(folder: Path, saved: saved_model_pb2.SavedModel) -> None:
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())


def test_what_is_allowed_is_registered_and_nothing_that_reaches_out_is_allowed():
    assert [name for name in ALLOWED if op_def_registry.get(name) is None] == []
    reach = re.compile(
        r"File|Dataset|Iterator|Py[FA]|Reader|Rpc|Remote|Debug|Print|Summary|Xla|Custom|Send|Recv|Save|Restore|Queue|TPU|Proto"
    )
    assert [name for name in sorted(ALLOWED) if reach.search(name)] == []


@pytest.mark.parametrize("what", foreign.ACTS)
def test_an_operation_that_reaches_out_is_named_and_does_not_run(what, tmp_path):
    operation, act = foreign.ACTS[what]
    marker = tmp_path / "marker"
    folder = foreign.export(foreign.Served(lambda: act(str(marker))), tmp_path / "model")
    marker.unlink(missing_ok=True)
    with pytest.raises(ForeignModel, match=rf"received {operation} \(node .+ of the function "):
        operations.load(folder)
    assert not marker.exists()


def test_a_table_that_writes_while_it_is_loaded_is_refused_before(tmp_path):
    marker = tmp_path / "marker"
    folder = foreign.export(foreign.WritesOnLoading(str(marker)), tmp_path / "model")
    marker.unlink(missing_ok=True)
    with pytest.raises(ForeignModel, match="received WriteFile"):
        operations.load(folder)
    assert not marker.exists()
    tf.saved_model.load(str(folder))
    assert marker.exists()  # so that it is the check, not TensorFlow, that kept it from being written


@pytest.fixture
def words(tmp_path) -> Path:
    (tmp_path / "words.txt").write_text("one\ntwo\n")
    return foreign.export(foreign.Words(tmp_path / "words.txt"), tmp_path / "words")


def test_a_vocabulary_of_the_models_own_is_read(words):
    answer = operations.load(words).signatures["serving_default"](word=tf.constant(["two", "three"]))
    assert answer["number"].numpy().tolist() == [1, -1]


@pytest.mark.parametrize("name", ["../../secret.txt", "/etc/hostname"])
def test_a_vocabulary_elsewhere_is_refused(words, name):
    saved = edited(words)
    saved.meta_graphs[0].asset_file_def[0].filename = name
    write(words, saved)
    with pytest.raises(ForeignModel, match=f"assets inside the SavedModel, received {name}"):
        operations.load(words)


def test_a_link_out_of_the_model_is_refused(words, tmp_path):
    asset = words / "assets/words.txt"
    asset.unlink()
    asset.symlink_to(tmp_path / "words.txt")
    with pytest.raises(ForeignModel, match=r"assets inside the SavedModel, received words\.txt"):
        operations.load(words)


def test_a_vocabulary_by_a_path_in_the_graph_is_refused(words, tmp_path):
    """The table is read from a constant in its function, not from the asset that is handed to it."""
    saved = edited(words)
    (function,) = (each for each in saved.meta_graphs[0].graph_def.library.function if "initializer" in each.signature.name)
    (node,) = (each for each in function.node_def if each.op == operations.READS_ASSET)
    constant = function.node_def.add(name="path", op="Const")
    constant.attr["dtype"].type = tf.string.as_datatype_enum
    constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(str(tmp_path / "words.txt")))
    node.input[1] = "path:output:0"
    write(words, saved)
    with pytest.raises(ForeignModel, match="tables to be read from the SavedModel's own assets"):
        operations.load(words)


def test_a_vocabulary_by_a_path_bound_to_the_function_is_refused(words):
    """Where the object that the function is bound to is another than an asset, it could hold any path."""
    saved = edited(words)
    objects = saved.meta_graphs[0].object_graph_def
    (asset,) = (place for place, node in enumerate(objects.nodes) if node.WhichOneof("kind") == "asset")
    objects.nodes[asset].constant.operation = "Const"
    write(words, saved)
    with pytest.raises(ForeignModel, match="of the objects"):
        operations.load(words)


@pytest.mark.parametrize("name", operations.OTHER_FORMS)
def test_a_second_form_of_the_model_is_refused(words, name):
    (words / name).write_bytes((words / "saved_model.pb").read_bytes())
    with pytest.raises(ForeignModel, match=f"received {name} beside it"):
        operations.load(words)


def test_the_savers_functions_are_the_savers_alone(words):
    """A signature that calls the function which saves the variables could write anywhere."""
    saved = edited(words)
    graph = saved.meta_graphs[0]
    (saves,) = (each for each in graph.graph_def.library.function if "traced_save" in each.signature.name)
    (serves,) = (each for each in graph.graph_def.library.function if "signature_wrapper" in each.signature.name)
    serves.node_def.add(name="again", op="StatefulPartitionedCall").attr["f"].func.name = saves.signature.name
    write(words, saved)
    with pytest.raises(ForeignModel, match=r"received (ShardedFilename|MergeV2Checkpoints|SaveV2)"):
        operations.load(words)


@pytest.mark.parametrize("name", ["Mfcc", None])
def test_functions_that_hide_behind_others_are_refused(words, name):
    """TensorFlow looks for a function of an operation's name first; and of two of one name only one would be looked at."""
    saved = edited(words)
    library = saved.meta_graphs[0].graph_def.library
    library.function.add().CopyFrom(library.function[0])
    if name:
        library.function[-1].signature.name = name
    write(words, saved)
    with pytest.raises(ForeignModel, match="functions with names of their own"):
        operations.load(words)


def test_several_graphs_are_refused(words):
    saved = edited(words)
    saved.meta_graphs.add().CopyFrom(saved.meta_graphs[0])
    write(words, saved)
    with pytest.raises(ForeignModel, match="a SavedModel of TensorFlow 2"):
        operations.load(words)


def test_the_server_keeps_what_it_serves(exported, tmp_path):
    exported.publish(1, tmp_path / "served")
    store = ModelStore(tmp_path / "served", None, MAX_BYTES)
    store.scan()
    marker = tmp_path / "marker"
    shutil.copytree(foreign.export(foreign.WritesOnLoading(str(marker)), tmp_path / "model"), tmp_path / "served" / NAME / "2")
    marker.unlink(missing_ok=True)
    store.scan()
    states = store.states(NAME)
    assert {version: state.state for version, state in states.items()} == {1: "AVAILABLE", 2: "END"}
    assert "received WriteFile" in states[2].error
    assert "\n" not in states[2].error
    assert store.find(NAME).version == 1
    assert not marker.exists()
