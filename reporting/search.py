"""The report's section about a hyperparameter search: what was tried, how it went, and which columns tell of the label."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reporting import figures, formats
from reporting.record import Record, folder, folders, read_json

View = dict[str, Any]


def trials(run: Record) -> View:
    """The trials in the order they were made."""
    found = read_search(folder(run, "tuner_results"))
    made: list[Mapping[str, Any]] = found["trials"]
    scores = [_score(trial) for trial in made]
    lower = found.get("direction") == "min"
    best = _used(run, made, scores, lower)
    leaders = _best_so_far(scores, lower)
    names = list(dict.fromkeys(name for trial in made for name in trial["hparams"]))
    rows = [
        {
            "number": number,
            "best": number - 1 == best,
            "improved": not math.isnan(score) and score == leader and leaders.index(leader) == number - 1,
            "score": None if math.isnan(score) else score,
            "failed": trial["status"] != "completed",
            "reason": trial.get("reason", ""),
            "seconds": trial.get("seconds"),
            "hparams": [_listed(trial["hparams"].get(name)) for name in names],
        }
        for number, (trial, score, leader) in enumerate(zip(made, scores, leaders, strict=True), start=1)
    ]
    points = [
        (float(row["number"]), score, f"trial {row['number']}: {row['reason'] if row['failed'] else formats.number(score)}")
        for row, score in zip(rows, scores, strict=True)
    ]
    ranking = [(str(entry["column"]), float(entry["mutual_information"])) for entry in found.get("ranking", ())]
    return {
        "facts": _facts(found, scores, best),
        "names": names,
        "rows": rows,
        "timed": any(row["seconds"] is not None for row in rows),
        "failed": [row for row in rows if row["failed"]],
        "figure": figures.scatter(f"Score of {len(made)} trials", points, best, leaders),
        "ranking": figures.bars("Mutual information of each column with the label, in nats", ranking) if ranking else "",
    }


def read_search(results: Path) -> dict[str, Any]:
    """The record of a search; of a tuner that keeps none, its completed trials as TFX writes them.

    Args:
        results: folder of the `tuner_results` artifact.

    Raises:
        Unreadable: neither can be read.
    """
    if (results / "search.json").is_file():
        return read_json(results / "search.json")
    written = sorted(read_json(results / "tuner_results.json", list), key=lambda trial: str(trial["trial_id"]))
    return {
        "trials": [
            {
                "status": "completed",
                "score": trial["score"],
                "hparams": {name: value for name, value in trial.items() if name not in ("score", "trial_id")},
            }
            for trial in written
        ]
    }


def _listed(value: object) -> object:
    """A value, with room to break the line where it is a list of names."""
    return value.replace(",", ", ") if isinstance(value, str) else value


def _score(trial: Mapping[str, Any]) -> float:
    score = trial.get("score")
    return float(score) if isinstance(score, int | float) else math.nan


def _used(run: Record, made: Sequence[Mapping[str, Any]], scores: Sequence[float], lower: bool) -> int | None:
    """Which trial the trained model has its hyperparameters from: of those with the same ones, the best."""
    tuned = dict(read_json(folder(run, "model_run") / "history.json").get("hparams", {})) if folders(run, "model_run") else {}
    same = [
        index
        for index, trial in enumerate(made)
        if tuned and not math.isnan(scores[index]) and all(tuned.get(key) == value for key, value in trial["hparams"].items())
    ]
    return min(same, key=lambda index: scores[index] if lower else -scores[index], default=None)


def _best_so_far(scores: Sequence[float], lower: bool) -> list[float]:
    """After each trial, the best score until then; NaN before the first."""
    found: list[float] = []
    for score in scores:
        known = [value for value in (score, *found[-1:]) if not math.isnan(value)]
        found.append((min if lower else max)(known) if known else math.nan)
    return found


def _facts(found: Mapping[str, Any], scores: Sequence[float], best: int | None) -> list[tuple[str, str]]:
    """The numbers that matter most."""
    completed = sum(not math.isnan(score) for score in scores)
    failed = f", {len(scores) - completed} failed" if completed < len(scores) else ""
    facts = [("Trials", f"{completed} of {found.get('asked', len(scores))}{failed}")]
    if "objective" in found:
        facts.insert(0, ("Objective", f"{'lowest' if found['direction'] == 'min' else 'highest'} {found['objective']}"))
    if best is not None:
        facts.append(("Best score", formats.metric(scores[best])))
        if not math.isnan(scores[0]):
            facts.append(("Score of the defaults", formats.metric(scores[0])))
    if "seconds" in found:
        facts.append(("Search time", formats.seconds(found["seconds"])))
    return facts
