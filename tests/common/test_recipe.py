"""What a candidate is compared with, and what makes two runs the same."""

import dataclasses
import json

import pytest

from components.pusher import publication
from pipelines.common import recipe
from pipelines.common.config import Baseline, Data, RunConfig
from pipelines.common.errors import DarsenaError
from pipelines.common.layout import load_model


@pytest.fixture
def model():
    return load_model("mnist_mlp")


@pytest.fixture
def run(tmp_path, model):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/x.npz").write_bytes(b"1")
    (tmp_path / "artifact").mkdir()
    return RunConfig(root=tmp_path, data=Data("sample", tmp_path / "data", "*"), hparams=dict(model.hparams))


def push(run, model, version, made_by, baseline=None, signatures=recipe.SIGNATURES):
    """A version as the Pusher leaves it."""
    folder = run.root / "serving" / model.name / str(version) / "assets.extra"
    folder.mkdir(parents=True)
    lineage = {"recipe": made_by, "baseline": dataclasses.asdict(baseline) if baseline else None, "signatures": signatures}
    (folder / "darsena.json").write_text(json.dumps({"version": version, "model_uri": str(run.root / "artifact"), "lineage": lineage}))


def test_the_recipe_changes_with_what_is_trained_and_with_nothing_else(run, model):
    same = recipe.recipe(model, run)
    assert recipe.recipe(model, dataclasses.replace(run, runner="beam", cache=False, trials=9)) == same
    assert recipe.recipe(dataclasses.replace(model, gates=(), reference="other"), run) == same
    changed = [
        dataclasses.replace(run, seed=43),
        dataclasses.replace(run, hparams=run.hparams | {"epochs": 1}),
        dataclasses.replace(run, strategy="mirrored"),
        dataclasses.replace(run, tune=True),
    ]
    found = [recipe.recipe(model, other) for other in changed]
    found += [
        recipe.recipe(other, run) for other in (dataclasses.replace(model, version=2), dataclasses.replace(model, class_names=("a",)))
    ]
    (run.data.path / "x.npz").write_bytes(b"12")
    found.append(recipe.recipe(model, run))
    assert len({same, *found}) == 8


def test_nothing_served_is_no_baseline(run, model):
    assert recipe.find_baseline(model, run) is None


def test_a_model_of_another_recipe_is_the_baseline(run, model):
    push(run, model, 1, "older")
    push(run, model, 2, "old")
    assert recipe.find_baseline(model, run) == Baseline(2, str(run.root / "artifact"), "old")


def test_what_is_served_of_other_data_is_no_baseline(run, model):
    push(run, model, 1, "old")
    assert recipe.find_baseline(dataclasses.replace(model, schema="other"), run) is None


def test_what_is_asked_otherwise_is_no_baseline(run, model):
    push(run, model, 1, "old", signatures=None)
    assert recipe.find_baseline(model, run) is None


def test_a_repeated_run_is_compared_with_what_it_was_compared_with(run, model):
    before = Baseline(1, str(run.root / "artifact"), "old")
    push(run, model, 2, recipe.recipe(model, run), before)
    assert recipe.find_baseline(model, run) == before
    assert recipe.find_baseline(model, dataclasses.replace(run, cache=False)).version == 2


def test_a_baseline_that_is_gone_is_told(run, model):
    push(run, model, 1, "old")
    (run.root / "artifact").rmdir()
    with pytest.raises(DarsenaError, match=r"expected the model of served version 1 at .*, it is gone"):
        recipe.find_baseline(model, run)


def test_a_version_without_lineage_is_told(run, model):
    (run.root / "serving" / model.name / "1").mkdir(parents=True)
    with pytest.raises(DarsenaError, match="expected the lineage of served version 1"):
        recipe.find_baseline(model, run)


def record(root, name, version, state):
    folder = root / "runs/mnist_mlp" / name
    folder.mkdir(parents=True)
    content = {"run_id": name, "verdict": "failed", "pushed": version and {"version": version}, "nodes": [{"id": "Pusher", "state": state}]}
    (folder / "run.json").write_text(json.dumps(content))


def test_a_version_that_someone_deleted_or_changed_names_the_run_that_published_it(run, model):
    record(run.root, "20260101-000000", 1, "complete")
    record(run.root, "20260102-000000", 1, "cached")
    record(run.root, "20260103-000000", None, "complete")
    record(run.root, "20260104-000000", 2, "complete")
    assert recipe.withdrawn(run.root, model.name) == ["20260101-000000", "20260104-000000"]
    version = run.root / "serving" / model.name / "1"
    (version / "assets.extra").mkdir(parents=True)
    (version / "saved_model.pb").write_text("as pushed")
    publication.write_record(version, {"files": publication.listing(version)}, None)
    assert recipe.withdrawn(run.root, model.name) == ["20260104-000000"]
    (version / "saved_model.pb").write_text("tampered")
    assert recipe.withdrawn(run.root, model.name) == ["20260101-000000", "20260104-000000"]
    (version / "saved_model.pb").write_text("as pushed")
    (version / "assets.extra/darsena.json").write_text("{")
    assert recipe.withdrawn(run.root, model.name) == ["20260101-000000", "20260104-000000"]
