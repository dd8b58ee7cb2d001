"""`darsena run`: its options become a RunConfig, the record becomes output and exit code; a stand-in runs the pipeline."""

import contextlib
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import pipelines.common
from pipelines.common import data as data_module
from pipelines.common.config import Data
from pipelines.common.layout import load_model
from tests.cli.conftest import MODEL, record


@pytest.fixture
def executed(monkeypatch, tmp_path):
    """Stands in for TFX: keeps the configuration of each run, makes noise as libraries do, and returns `executed.record`."""
    stand_in = types.SimpleNamespace(runs=[], record=record("20261123-201500") | {"report": "report.html"})

    def execute(model, run, show):
        stand_in.runs.append(run)
        os.write(1, b"noise of C++ on 1\n")
        os.write(2, b"noise of C++ on 2\n")
        sys.stdout.write("noise of Python\n")
        subprocess.run(["sh", "-c", "echo noise of a child"], check=True)
        with show([("Trainer", [])]) as progress:
            progress.started("Trainer")
            progress.finished("Trainer", "complete", 1.5)
        return stand_in.record

    for name, module in (
        ("runs", types.SimpleNamespace(execute=execute)),
        ("graph", types.SimpleNamespace(DESCRIPTIONS={"Trainer": "trains"})),
    ):
        monkeypatch.setitem(sys.modules, f"pipelines.common.{name}", module)
        monkeypatch.setattr(pipelines.common, name, module, raising=False)
    monkeypatch.setattr(data_module, "resolve_data", lambda dataset, choice, root: Data(choice, root / "data", "*"))
    return stand_in


def test_defaults_of_a_run(darsena, executed, root):
    ended = darsena("run", MODEL, "--root", root)
    (run,) = executed.runs
    assert ended.code == 0 and ended.err == ""
    assert (run.root, run.data.kind, run.runner, run.strategy) == (root, "sample", "local", "auto")
    assert (run.seed, run.tune, run.trials, run.cache) == (42, False, 5, True)
    assert run.hparams == load_model(MODEL).hparams


def test_options_of_a_run(darsena, executed, root):
    data = "--data full --runner beam --strategy mirrored --set dropout=0.25 --set hidden_units=64 --epochs 3"
    rest = "--tune --trials 2 --no-cache --seed 7"
    assert darsena("run", MODEL, "--root", root, *data.split(), *rest.split()).code == 0
    (run,) = executed.runs
    assert (run.data.kind, run.runner, run.strategy) == ("full", "beam", "mirrored")
    assert (run.seed, run.tune, run.trials, run.cache) == (7, True, 2, False)
    assert run.hparams == dict(load_model(MODEL).hparams) | {"dropout": 0.25, "hidden_units": 64, "epochs": 3}


def test_a_blessing_by_hand_is_passed_on_with_its_reason(darsena, executed, root):
    assert darsena("run", MODEL, "--root", root, "--bless", "--reason", " a deadline ").code == 0
    assert darsena("run", MODEL, "--root", root).code == 0
    assert [run.bless for run in executed.runs] == ["a deadline", ""]


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400)])
def test_a_search_may_have_a_time_limit(darsena, executed, root, text, seconds):
    assert darsena("run", MODEL, "--root", root, "--tune", "--time-limit", text).code == 0
    assert executed.runs[0].time_limit == seconds


def test_the_default_root_is_beside_the_user(darsena, executed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "darsena_root").mkdir()
    assert darsena("run", MODEL).code == 0
    assert executed.runs[0].root == tmp_path / "darsena_root"


def test_the_terminal_shows_the_run_and_a_file_keeps_the_noise(darsena, executed, root):
    ended = darsena("run", MODEL, "--root", root)
    assert "Trainer" in ended.out and "1.50 s" in ended.out
    assert "blessed and pushed" in ended.out and "0.9375" in ended.out
    assert "noise" not in ended.out + ended.err
    (log,) = (root / "logs").glob(f"run-{MODEL}-*.log")
    noise = log.read_text().splitlines()
    assert sorted(noise) == ["noise of C++ on 1", "noise of C++ on 2", "noise of Python", "noise of a child"]


def test_debug_shows_the_noise(darsena, executed, root):
    assert "noise of Python" in darsena("run", MODEL, "--root", root, "--debug").out
    assert not (root / "logs").exists()


def test_json_leaves_standard_output_to_the_record(darsena, executed, root):
    ended = darsena("run", MODEL, "--root", root, "--json")
    assert ended.json == executed.record
    assert "Trainer" in ended.err and "blessed and pushed" in ended.err


@pytest.mark.parametrize(("verdict", "code"), [("failed", 1), ("not blessed", 3), ("not blessed", 4)])
def test_the_verdict_is_the_exit_code_and_one_line(darsena, executed, root, verdict, code):
    executed.record = record("20261123-201500", verdict, None, exit_code=code, reason="accuracy 0.5 < 0.88.")
    ended = darsena("run", MODEL, "--root", root)
    assert ended.code == code
    assert ended.err.startswith(f"darsena: {verdict}: accuracy 0.5 < 0.88. Log: {root / 'logs'}") and ended.err.count("\n") == 1


def test_debug_shows_the_traceback_of_the_component_that_failed(darsena, executed, root):
    executed.record = record("20261123-201500", "failed", None, exit_code=1, reason="Trainer: no more memory")
    (root / "runs" / MODEL / "20261123-201500" / "traceback.txt").write_text("Traceback (most recent call last): …")
    assert "Traceback" not in darsena("run", MODEL, "--root", root).err
    assert darsena("run", MODEL, "--root", root, "--debug").err.endswith("…\ndarsena: failed: Trainer: no more memory.\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "dropout"], "expected --set NAME=VALUE, received 'dropout'"),
        (["--set", "epochs=x"], "expected epochs to be of type int"),
        (["--set", "epochs=2", "--epochs", "3"], "expected one value for epochs, received 2 and 3"),
        (["--epochs", "0"], "0 is not in the range"),
        (["--trials", "none"], "'none' is not a valid integer"),
        (["--tune", "--time-limit", "10"], "expected --time-limit to be a time such as 90s, 10m or 1h, received '10'"),
        (["--tune", "--time-limit", "0m"], "received '0m'"),
        (["--tune", "--time-limit", "ten m"], "received 'ten m'"),
        (["--time-limit", "10m"], "expected --tune with --time-limit"),
        (["--trials", "3"], "expected --tune with --trials"),
        (["--bless"], "expected --bless and --reason together"),
        (["--bless", "--reason", "  "], "expected --bless and --reason together"),
        (["--reason", "a deadline"], "expected --bless and --reason together"),
        (["--data", "nowhere/at/all"], "which does not exist"),
    ],
)
def test_wrong_usage_ends_in_2_before_anything_is_imported(darsena, root, arguments, words):
    ended = darsena("run", MODEL, "--root", root, *arguments)
    assert ended.code == 2
    assert words in ended.err and ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mnist_lenet", "--set", "block=round"], "expected block to be conv, separable or residual, received 'round'"),
        (["mnist_lenet", "--set", "stages=9"], r".* Computed output size would be zero .* `padding=valid`\.$"),
        (["house_prices", "--preset", "linear", "--set", "crosses=towns"], "expected crosses to be all, none or some of region, place"),
    ],
)
def test_a_model_that_cannot_be_built_is_told_before_the_data_is_read(darsena, root, arguments, words):
    ended = darsena("run", *arguments, "--root", root)
    assert ended.code == 2
    assert re.search(rf"^darsena: {arguments[0]} can't be built with these hyperparameters: {words}", ended.err)
    assert ended.err.count("\n") == 1 and not (root / "runs" / arguments[0]).exists()


def test_a_root_below_a_file_is_one_line(darsena, tmp_path):
    (tmp_path / "file").write_text("")
    ended = darsena("run", MODEL, "--root", tmp_path / "file" / "root")
    assert ended.code == 1
    assert "Not a directory" in ended.err and ended.err.count("\n") == 1


def test_a_full_root_is_one_line(darsena, root, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: types.SimpleNamespace(free=10 << 20))
    ended = darsena("run", MODEL, "--root", root)
    assert ended.code == 1
    assert "received 10 Mi" in ended.err and ended.err.count("\n") == 1


def test_an_empty_folder_of_data_is_rejected(darsena, root, tmp_path):
    (tmp_path / "empty").mkdir()
    ended = darsena("run", MODEL, "--root", root, "--data", tmp_path / "empty")
    assert ended.code == 4
    assert "received none" in ended.err and ended.err.count("\n") == 1


@pytest.mark.parametrize("order", [[MODEL, "--help"], ["--help", MODEL]])
def test_help_with_a_model_tells_its_hyperparameters_data_and_reference(darsena, order):
    model = load_model(MODEL)
    ended = darsena("run", *order)
    words = " ".join(ended.out.split())
    for name, default in model.hparams.items():
        assert f"{name} {type(default).__name__}, default {default}" in words
    assert model.data.formats in words and model.reference in words
    assert "Hyperparameters" not in darsena("run", "--help").out


def test_streams_are_put_back_after_a_failure(tmp_path):
    from pipelines.common.quiet import quiet

    before = (sys.stdout, sys.stderr, [Path(f"/proc/self/fd/{number}").readlink() for number in (1, 2)])
    with contextlib.suppress(ZeroDivisionError), quiet(tmp_path / "log"):
        assert sys.stdout is not before[0]
        raise ZeroDivisionError
    assert (sys.stdout, sys.stderr, [Path(f"/proc/self/fd/{number}").readlink() for number in (1, 2)]) == before
