"""The HTML report: self-contained, safe against what is in the data, right in its numbers, and there for failed runs too."""

import base64
import copy
import json
from pathlib import Path
from typing import Any

import pytest

from reporting.__main__ import main
from reporting.html import render, write_report
from tests.reporting import records
from tests.reporting.page import Page

HOSTILE = '<script>alert("1")</script>&\x00'


@pytest.fixture
def run(tmp_path: Path) -> dict[str, Any]:
    return records.write_run(tmp_path)


def test_page_is_well_formed_and_loads_nothing(run: dict[str, Any]) -> None:
    page = Page(render(run))
    assert page.unclosed == []
    loaded = [
        attributes[name] for _, attributes in page.elements for name in ("src", "href", "action", "data", "srcset") if name in attributes
    ]
    assert loaded and all(address and address.startswith(("#", "data:image/png;base64,")) for address in loaded)
    assert not {"script", "link", "iframe", "object", "base"}.intersection(tag for tag, _ in page.elements)
    styles = " ".join([*page.styles, *(attributes.get("style") or "" for _, attributes in page.elements)])
    assert "url(" not in styles and "@import" not in styles
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


def test_anchors_and_labels_lead_somewhere(run: dict[str, Any]) -> None:
    page = Page(render(run))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {(attributes["href"] or "")[1:] for tag, attributes in page.elements if tag == "a"}
    targets |= {attributes["aria-labelledby"] or "" for _, attributes in page.elements if "aria-labelledby" in attributes}
    assert targets <= set(ids)
    assert all(attributes.get("alt") for tag, attributes in page.elements if tag == "img")


def test_every_picture_is_xml_with_a_name(run: dict[str, Any]) -> None:
    pictures = Page(render(run)).pictures()
    assert len(pictures) > 10
    assert all(picture.get("aria-label") for picture in pictures)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    run = records.write_run(tmp_path, feature=HOSTILE.replace("\x00", ""))
    records.write_json(
        tmp_path / "mistakes", "section.json", {"title": HOSTILE, "text": HOSTILE, "pictures": [{"file": "1.png", "caption": HOSTILE}]}
    )
    run |= {"model": HOSTILE, "learns": HOSTILE, "reason": HOSTILE, "class_names": [HOSTILE] * 3, "verdict": HOSTILE}
    run["gates"][0]["metric"] = HOSTILE
    run["nodes"][0] |= {"id": HOSTILE, "state": HOSTILE, "error": HOSTILE}
    run["config"]["hparams"] = {HOSTILE: HOSTILE}
    page = Page(render(run))
    assert "script" not in {tag for tag, _ in page.elements}
    assert "<script" not in page.html
    assert HOSTILE.replace("\x00", "") in page.section("data").text
    assert all(picture.tag.endswith("svg") for picture in page.pictures())


def test_verdict_gates_and_pushed_version(run: dict[str, Any]) -> None:
    page = Page(render(run))
    head = page.text[: page.text.index("Graph of the run")]
    for known in ("berths", "tells ships apart", "blessed and pushed", "0.9412", "≥ 0.9000", "1 min 23 s", "version 7"):
        assert known in head
    assert page.section("gates").rows[1] == [
        "Sparse categorical accuracy",
        "passed",
        "0.9412",
        "0.9205 – 0.9619",
        "",
        "≥ 0.9000the model's gate",
    ]


def test_change_gate_names_where_its_bound_comes_from(run: dict[str, Any]) -> None:
    run["gates"].append(run["gates"][0] | {"kind": "change", "bound": 0.9455, "passed": False})
    assert Page(render(run)).section("gates").rows[2][1::4] == ["failed", "≥ 0.9455the served model's, less the tolerance"]


def test_statistics_by_split(run: dict[str, Any]) -> None:
    section = Page(render(run)).section("data")
    assert section.rows[0] == ["Split", "Present", "Missing", "mean", "std", "min", "median", "max", "zeros"]
    assert section.rows[1] == ["train", "116", "4", "5.5", "1.25", "0", "5", "12.5", "3"]
    assert section.rows[2][:3] == ["test", "26", "4"]
    assert section.rows[4] == ["train", "120", "0", "2", "6.5"]
    titles = [element.text for picture in section.pictures() for element in picture.iter("{http://www.w3.org/2000/svg}title")]
    assert "5 to 12.5: 76" in titles and "<Bari>" in titles


def test_anomalies_are_listed_or_said_to_be_none(run: dict[str, Any], tmp_path: Path) -> None:
    assert "None found" in Page(render(run)).section("anomalies").text
    records.write_anomalies(tmp_path / "worse", [("length", "Out-of-range values", "below 0")])
    run["nodes"][3]["outputs"] = {"anomalies": [str(tmp_path / "worse")]}
    section = Page(render(run)).section("anomalies")
    assert section.rows[1] == ["train", "length", "Out-of-range values", "below 0"]
    assert "None found" not in section.text


def test_training_exports_and_validation(run: dict[str, Any]) -> None:
    page = Page(render(run))
    training = page.section("training").text
    for known in ("2.50 s", "Examples per second 1,234", "4,711", "training 0.2500", "validation 0.6250"):
        assert known in training
    assert page.row("int8") == ["int8", "failed", "tflite", "93.4 kB", "", "0.125 ms", "0.075 ms", "0.031", "99.8%", "1.2"]
    assert page.row("SavedModel") == ["SavedModel", "reference", "", "1.31 MB", "", "0.5 ms", "–", "–", "–", "–"]
    assert "and its BinaryAccuracy on labelled ones" in page.section("exports").text
    assert page.row("raw") == ["raw", "32", "1e-07"]


def test_a_model_that_was_only_measured_has_its_validation_figures(run: dict[str, Any], tmp_path: Path) -> None:
    records.write_json(tmp_path / "model_run", "history.json", {"epochs": 0, "seconds": 1.0, "metrics": {"val_loss": [0.125]}})
    training = Page(render(run)).section("training").text
    assert "validation 0.1250" in training and "Loss" in training and "training 0" not in training


def test_tuned_hyperparameters_are_told_from_asked_ones(run: dict[str, Any], tmp_path: Path) -> None:
    history = json.loads((tmp_path / "model_run" / "history.json").read_text())
    records.write_json(tmp_path / "model_run", "history.json", history | {"hparams": {"units": 128, "epochs": 3}})
    trials = [{"trial_id": f"{number}", "score": score, "units": units} for number, score, units in ((1, 0.95, 128), (0, 0.91, 64))]
    records.write_json(tmp_path / "tuner_results", "tuner_results.json", trials)
    run["nodes"][4]["outputs"]["tuner_results"] = [str(tmp_path / "tuner_results")]
    page = Page(render(run))
    assert "Set by the hyperparameter search: units = 128." in page.section("training").text
    assert page.section("trials").rows[1:] == [
        ["1", "0.91", "best so far", "64"],
        ["2", "0.95", "chosen", "128"],
    ]


def searched(run: dict[str, Any], folder: Path, **changes: Any) -> Page:
    """The report of a run with a search of five trials, of which the third failed and the fourth is used."""
    history = json.loads((folder / "model_run" / "history.json").read_text())
    records.write_json(folder / "model_run", "history.json", history | {"hparams": {"units": 32, "epochs": 3}})
    scores = {64: 52000.0, 128: 50500.0, 16: None, 32: 49000.0, 8: 51000.0}
    trials = [
        {
            "status": "completed" if score else "failed",
            "score": score,
            "seconds": 2.5,
            "reason": "" if score else "ValueError: expected val_rmse to be a finite number",
            "hparams": {"units": units},
        }
        for units, score in scores.items()
    ]
    record = {"objective": "val_rmse", "direction": "min", "asked": 8, "seconds": 95.0, "trials": trials, "ranking": []}
    records.write_json(folder / "tuner_results", "search.json", record | changes)
    run["nodes"][4]["outputs"]["tuner_results"] = [str(folder / "tuner_results")]
    return Page(render(run))


def test_a_search_tells_objective_times_failures_and_what_was_best_when(run: dict[str, Any], tmp_path: Path) -> None:
    section = searched(run, tmp_path).section("trials")
    assert section.rows == [
        ["Trial", "Score", "Status", "Seconds", "units"],
        ["1", "52,000", "best so far", "2.5", "64"],
        ["2", "50,500", "best so far", "2.5", "128"],
        ["3", "–", "failed", "2.5", "16"],
        ["4", "49,000", "chosen", "2.5", "32"],
        ["5", "51,000", "", "2.5", "8"],
        ["Trial", "What it said"],
        ["3", "ValueError: expected val_rmse to be a finite number"],
    ]
    for known in ("Objective lowest val_rmse", "Trials 4 of 8, 1 failed", "Best score 49,000", "defaults 52,000", "1 min 35 s"):
        assert known in section.text
    assert "Mutual information" not in section.text


def test_a_search_for_columns_shows_what_each_tells(run: dict[str, Any], tmp_path: Path) -> None:
    ranking = [{"column": "income", "mutual_information": 0.41}, {"column": "age", "mutual_information": 0.0312}]
    text = searched(run, tmp_path, ranking=ranking).section("trials").text
    assert "Mutual information of each column with the label, in nats" in text
    assert text.index("income 0.41") < text.index("age 0.0312")


def test_artifact_with_a_section_json_makes_a_section(run: dict[str, Any], tmp_path: Path) -> None:
    section = Page(render(run)).section("extra-1")
    assert section.text.startswith("Worst mistakes 1 of 30.")
    (image,) = [attributes for tag, attributes in section.elements if tag == "img"]
    assert base64.b64decode((image["src"] or "").split(",")[1]) == (tmp_path / "mistakes" / "1.png").read_bytes()
    assert image["alt"] == "true tug, predicted ferry (0.98)"
    assert section.rows == [["kind", "sure"], ["tug", "0.98"], ["ferry", "yes"]]


@pytest.mark.parametrize(
    ("file", "said"),
    [("../secret.png", "outside of its artifact's folder"), ("page.png", "Expected a PNG, a GIF or an MP4"), ("gone.png", "No such file")],
)
def test_pictures_that_are_no_pngs_of_the_artifact_are_left_out(run: dict[str, Any], tmp_path: Path, file: str, said: str) -> None:
    (tmp_path / "secret.png").write_bytes((tmp_path / "mistakes" / "1.png").read_bytes())
    (tmp_path / "mistakes" / "page.png").write_text("<html>")
    records.write_json(tmp_path / "mistakes", "section.json", {"title": "T", "pictures": [{"file": file, "caption": "c"}]})
    section = Page(render(run)).section("extra-1")
    assert said in section.text
    assert "img" not in {tag for tag, _ in section.elements}


def test_run_that_failed_early_still_has_a_report(run: dict[str, Any]) -> None:
    page = Page(render(records.failed(run, "Trainer", "failed", "expected 3 classes, received 4.\nCheck the labels.")))
    assert page.unclosed == []
    assert "expected 3 classes, received 4. Check the labels." in page.section("graph").text
    assert page.row("Trainer")[1:] == ["failed", "6.25 s"] and page.row("Pusher")[1:] == ["skipped", "–"]
    assert page.section("data").rows[1][0] == "train"
    assert "No gate was reached" in page.section("gates").text
    assert page.section("training").text == "Training This run made no record of a training: Trainer failed."
    assert page.section("evaluation").text == "Evaluation This run made no evaluation: Trainer failed."
    assert "not pushed" in page.text and "It was not evaluated in this run." in page.section("card").text


def test_run_that_goes_on_has_a_report(run: dict[str, Any]) -> None:
    going = run | {"verdict": "running", "seconds": None, "finished": None, "exit_code": None, "gates": [], "pushed": None}
    going["nodes"] = [node | {"state": "pending", "seconds": None, "outputs": {}} for node in run["nodes"]]
    assert Page(render(going)).row("Trainer")[1:] == ["pending", "–"]


@pytest.mark.parametrize(
    ("file", "content", "section", "said"),
    [
        ("model_run/history.json", "{", "training", "as JSON"),
        ("model_run/history.json", '{"metrics": 3}', "training", "not as docs/architecture.md says"),
        ("exports/exports.json", "[]", "exports", "Expected an object"),
        ("statistics/Split-train/FeatureStats.pb", "not a proto", "data", "DatasetFeatureStatisticsList"),
        ("mistakes/section.json", '{"tables": [{}]}', "extra-1", "Could not use"),
    ],
)
def test_damaged_files_are_said_and_spoil_nothing_else(
    run: dict[str, Any], tmp_path: Path, file: str, content: str, section: str, said: str
) -> None:
    (tmp_path / file).write_text(content)
    page = Page(render(run))
    assert said in page.section(section).text
    assert page.row("raw")[1] == "32"


def test_folder_that_was_removed_is_said(run: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "exports" / "exports.json").unlink()
    (tmp_path / "exports").rmdir()
    assert f"no longer there: {tmp_path / 'exports'}" in Page(render(run)).section("exports").text


def test_lineage_names_data_code_versions_and_artifacts(run: dict[str, Any], tmp_path: Path) -> None:
    text = Page(render(run)).section("lineage").text
    for known in (
        "data/ships",
        "seed 42",
        "units 64",
        "trainer_modules/berths.py f00dcafe",
        "tensorflow 2.21.0",
        "cpus 2",
        str(tmp_path / "model_run"),
    ):
        assert known in text


def test_report_is_written_whole_from_run_json(run: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    records.write_json(out, "run.json", run)
    assert main([str(out / "run.json"), str(out / "report.html")]) == 0
    assert (out / "report.html").read_text(encoding="utf-8") == render(run)
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "run.json"]
    assert main([str(out / "none.json"), str(out / "report.html")]) == 1
    assert "Could not read" in capsys.readouterr().err


def test_rendering_changes_nothing_in_the_record(run: dict[str, Any], tmp_path: Path) -> None:
    before = copy.deepcopy(run)
    write_report(run, tmp_path / "report.html")
    assert run == before


def test_exports_and_validation_that_did_not_take_place_say_why(run: dict[str, Any], tmp_path: Path) -> None:
    records.write_json(tmp_path / "exports", "exports.json", {"exports": [], "reference": None, "reason": "the model was not blessed"})
    refused = {"passed": False, "signatures": [], "load_seconds": None, "reason": "the model was not blessed"}
    records.write_json(tmp_path / "validation", "validation.json", refused)
    page = Page(render(run))
    assert page.section("exports").text == "Exports No exports were made: the model was not blessed."
    assert page.section("validation").text == "Serving validation failed the model was not blessed"
