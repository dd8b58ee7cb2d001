"""Writes the HTML report of a run: one file that needs no network and no script."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2

from reporting import formats, metrics, search, sections
from reporting.card import model_card
from reporting.record import Record, Unreadable, folders


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        id: of its anchor, and of the template's macro that draws it.
        title: its heading.
        view: what it shows; None if it cannot be shown.
        problem: why not.
    """

    id: str
    title: str
    view: Any
    problem: str = ""


def write_report(run: Record, path: Path) -> None:
    """Writes the report of a run.

    What the run did not leave behind, or what cannot be read, is said in its section.

    Args:
        run: the record, as in run.json (docs/architecture.md).
        path: of the HTML file.
    """
    write_page(path, render(run))


def write_page(path: Path, html: str) -> None:
    """Writes a page in one step, so that a reader never sees half of it."""
    staged = path.with_name(f".{path.name}.partial")
    staged.write_text(html, encoding="utf-8")
    staged.replace(path)


def render(run: Record) -> str:
    """The report as HTML."""
    return environment().get_template("report.html.j2").render(run=run, header=sections.header(run), sections=make_sections(run))


def environment() -> jinja2.Environment:
    """The templates, with the filters that they use."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("reporting"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found.filters |= {name: getattr(formats, name) for name in ("number", "metric", "seconds", "size", "percent", "cell")}
    return found


def make_sections(run: Record) -> list[Section]:
    """All sections, in the order of the page."""
    statistics = attempt("data", "Data", sections.statistics, run)
    evaluation = attempt("evaluation", "Evaluation", metrics.evaluation, run)
    searched = [attempt("trials", "Hyperparameter search", search.trials, run)] if folders(run, "tuner_results") else []
    extras = [Section(f"extra-{number}", view["title"], view, view["problem"]) for number, view in enumerate(sections.extras(run), start=1)]
    return [
        Section("graph", "Graph of the run", sections.run_graph(run)),
        attempt("gates", "Gates", metrics.gates, run),
        statistics,
        attempt("anomalies", "Anomalies", sections.anomalies, run),
        *searched,
        attempt("training", "Training", sections.training, run),
        evaluation,
        *extras,
        attempt("exports", "Exports", sections.exports, run),
        attempt("validation", "Serving validation", sections.validation, run),
        Section("card", "Model card", model_card(run, statistics.view, evaluation.view)),
        Section("lineage", "Lineage", run),
    ]


def attempt(section_id: str, title: str, build: Callable[[Record], Any], run: Record) -> Section:
    """A section, or why it cannot be shown: its files are missing, damaged or of another shape."""
    try:
        return Section(section_id, title, build(run))
    except Unreadable as problem:
        return Section(section_id, title, None, str(problem))
    except (LookupError, TypeError, AttributeError, ValueError) as problem:
        return Section(
            section_id, title, None, f"What the run left is not as docs/architecture.md says: {type(problem).__name__}: {problem}"
        )
