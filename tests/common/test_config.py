"""Hyperparameter overrides, gates and data sets: what the command line passes on."""

import dataclasses

import pytest

from pipelines.common.config import Data, Gate, Preset, RunConfig
from pipelines.common.errors import UsageError
from pipelines.common.layout import load_model, model_names, versions


def test_overrides_take_the_type_of_the_default():
    hparams = load_model("mnist_mlp").with_overrides({"epochs": "3", "dropout": "0.1"})
    assert (hparams["epochs"], hparams["dropout"], hparams["batch_size"]) == (3, 0.1, 512)
    assert type(hparams["epochs"]) is int


def test_an_unknown_hyperparameter_gets_a_suggestion():
    with pytest.raises(UsageError, match=r"no hyperparameter 'dropuot'\. Did you mean 'dropout'\?"):
        load_model("mnist_mlp").with_overrides({"dropuot": "0.1"})


def test_a_value_of_another_type_is_refused():
    with pytest.raises(UsageError, match=r"expected epochs to be of type int \(default 20\), received '2.5'"):
        load_model("mnist_mlp").with_overrides({"epochs": "2.5"})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", "0", "at least 1"),
        ("batch_size", "-1", "at least 1"),
        ("learning_rate", "nan", "of type float"),
        ("learning_rate", "0", "above 0"),
        ("dropout", "1", "at least 0 and below 1"),
        ("hidden_layers", "-1", "at least 0"),
        ("schedule", "linear", "constant or cosine"),
    ],
)
def test_a_value_out_of_bounds_is_refused(name, value, message):
    with pytest.raises(UsageError, match=f"expected {name} to be {message}"):
        load_model("mnist_mlp").with_overrides({name: value})


@pytest.fixture
def model_with_preset():
    gates = (Gate("SparseCategoricalAccuracy", sample=0.5, full=0.75),)
    presets = {"small": Preset("a small one", {"hidden_units": 8}, "0.75", gates), "quick": Preset("few epochs", {"epochs": 1})}
    return dataclasses.replace(load_model("mnist_mlp"), presets=presets)


def test_a_preset_may_have_other_exports():
    presets = {"other": Preset("other", {}, export_bounds={}, export_formats=("float16",)), "same": Preset("same", {})}
    model = dataclasses.replace(load_model("mnist_mlp"), presets=presets, export_bounds={"points": 2.0}, export_formats=("float32",))
    other, same = model.with_preset("other"), model.with_preset("same")
    assert (other.export_bounds, other.export_formats) == ({}, ("float16",))
    assert (same.export_bounds, same.export_formats) == ({"points": 2.0}, ("float32",))


def test_a_preset_replaces_what_it_names_and_nothing_else(model_with_preset):
    model = model_with_preset
    assert model.with_preset("") is model
    small, quick = model.with_preset("small"), model.with_preset("quick")
    assert small.hparams == {**model.hparams, "hidden_units": 8}
    assert (small.reference, small.gates[0].bound("full")) == ("0.75", 0.75)
    assert (quick.reference, quick.gates, quick.hparams["epochs"]) == (model.reference, model.gates, 1)
    assert (small.data, small.schema_path) == (model.data, model.schema_dir / "schema.pbtxt")
    with pytest.raises(UsageError, match=r"no preset 'smal'\. Did you mean 'small'\?"):
        model.with_preset("smal")
    with pytest.raises(UsageError, match=r"mnist_mlp has no preset 'x'\. It has none\."):
        load_model("mnist_mlp").with_preset("x")


def test_a_preset_may_have_data_of_its_own(model_with_preset):
    other = load_model("house_prices").data
    model = dataclasses.replace(model_with_preset, presets={"rows": Preset("rows", {}, data=other, schema="rows")}).with_preset("rows")
    assert model.data is other and model.schema_path == model_with_preset.schema_dir / "rows.pbtxt"


def test_a_run_gives_a_classifier_without_class_names_those_of_its_data(model_with_preset, tmp_path):
    run = RunConfig(tmp_path, Data("path", tmp_path, "*/*", class_names=("cat", "cup")), {}, preset="small")
    assert model_with_preset.for_run(run).class_names == model_with_preset.class_names
    nameless = dataclasses.replace(model_with_preset, class_names=())
    assert nameless.for_run(run).class_names == ("cat", "cup")
    assert nameless.for_run(run).hparams["hidden_units"] == 8
    assert dataclasses.replace(nameless, task="regression").for_run(run).class_names == ()


def test_an_unknown_model_gets_a_suggestion():
    with pytest.raises(UsageError, match=r"there is no model 'mnist_mpl'\. Did you mean 'mnist_mlp'\?"):
        load_model("mnist_mpl")


def test_models_are_the_modules_of_pipelines():
    assert "mnist_mlp" in model_names()
    assert not {"common", "__init__", "__main__"} & set(model_names())


def test_only_full_data_is_held_to_the_full_bound():
    gate = Gate("SparseCategoricalAccuracy", sample=0.8, full=0.9)
    assert [gate.bound(kind) for kind in ("sample", "path", "full")] == [0.8, 0.8, 0.9]


def test_versions_are_whole_numbers_in_numeric_order(tmp_path):
    for name in ("10", "9", ".staging-1-host-0", "007", "notes", "0"):
        (tmp_path / "serving/model" / name).mkdir(parents=True)
    (tmp_path / "serving/model/11").touch()
    assert versions(tmp_path, "model") == [9, 10]
    assert versions(tmp_path, "other") == []
