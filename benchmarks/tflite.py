"""`make bench-tflite`: which models and presets have which TFLite formats, with which operations, how large, fast and exact.

    python -m benchmarks.tflite [MODEL[:PRESET] …] [--root bench_root] [--again | --no-runs] [--write docs/tflite.md]

Each is run on its sample first (half a minute to six minutes each, half an hour in all), in a root of its own; runs are answered from
the cache the next time, and what was measured of one is kept until `--again`. The photographs of image_transfer:classifier come from
$DARSENA_DATA, and the weights of both of its presets from where `darsena run` finds them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import pictures
from benchmarks.arguments import row_arguments
from benchmarks.machine import DARSENA, commit, machine, table
from components.arrays import save_arrays
from components.child import ChildFailed, run_module
from components.golden import read_golden
from components.tflite_exporter.bounds import Bounds
from components.tflite_exporter.converters import CONVERTERS, convertible
from components.tflite_exporter.executor import ExportFailed, export
from components.tflite_exporter.gating import Gating
from pipelines.common.config import ModelConfig
from pipelines.common.layout import load_model

# A preset is a row where its network differs, with what its run takes beside.
ROWS: Mapping[str, tuple[str, ...]] = {
    "mnist_mlp": (),
    "mnist_softmax": (),
    "mnist_lenet": (),
    "cifar10_cnn": (),
    "image_transfer": (),
    "image_transfer:transfer": (),
    "image_transfer:classifier": (),
    "house_prices": (),
    "house_prices:linear": (),
    "sms_spam": (),
    "imdb_cnn": (),
    "sentiment_bilstm": (),
    "word2vec": (),
    "word2vec:cbow": (),
    "mnist_autoencoder": (),
    "mnist_autoencoder:vanilla": (),
    "mnist_autoencoder:sparse": (),
    "mnist_autoencoder:denoising": (),
    "mnist_autoencoder:stacked": (),
    "mnist_pca_kmeans": (),
    "color_som": (),
    "mnist_rbm": (),
    "mnist_dcgan": (),
    "cyclegan": (),
    # Thirty epochs take half an hour. After one it is not blessed, and the same network.
    "cyclegan:large": ("--epochs", "1"),
    "breakout_dqn": (),
    "breakout_dqn:ram": (),
    "breakout_dqn:cartpole": (),
    "pendulum_ddpg": (),
}
SERVED = ("serving_default", "raw")
SECONDS = 300
WITHOUT_BOUNDS = Bounds(*[float("inf")] * 3, int8_agreement=0.0, int8_diff=float("inf"), int8_mean_diff=float("inf"))


def measure(row: str, root: Path) -> dict[str, Any]:
    """A row: what its run exports, what the formats it leaves out would be, and its other signatures."""
    name, _, preset = row.partition(":")
    home = root / row.replace(":", "-")
    data = ("--data", str(pictures.photographs(root / "data"))) if row == "image_transfer:classifier" else ()
    command = [DARSENA, "run", name, *(("--preset", preset) if preset else ()), *data, *ROWS[row], "--root", str(home), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        return {"reason": done.stderr.strip().splitlines()[-1], "date": str(datetime.date.today()), "commit": commit()}
    record = json.loads(done.stdout)
    outputs = {output: Path(uris[0]) for node in record["nodes"] for output, uris in (node["outputs"] or {}).items()}
    model = load_model(name).with_preset(preset)
    made = json.loads((outputs["exports"] / "exports.json").read_text())["exports"] if (outputs.get("exports")) else []
    formats = {each["name"]: each | {"released": record["verdict"] == "blessed and pushed"} for each in made}
    for absent in [each for each in CONVERTERS if each not in formats]:
        formats[absent] = tried(absent, model, record, outputs)
    return {
        "verdict": record["verdict"],
        "formats": {each: formats[each] for each in CONVERTERS},
        "signatures": signatures(outputs),
        "date": str(datetime.date.today()),
        "commit": commit(),
    }


def tried(name: str, model: ModelConfig, record: dict, outputs: Mapping[str, Path]) -> dict[str, Any]:
    """A format that the run did not make: its record without bounds, and what the bounds would have said."""
    import tensorflow as tf

    model = dataclasses.replace(model, class_names=tuple(record["class_names"]))
    gating = Gating(model.gating_metrics, outputs["examples"] / "Split-test", model.label, model.label_names)
    about = dict.fromkeys(("name", "description", "version", "author", "license"), "")
    with tempfile.TemporaryDirectory() as folder:

        def made(bounds: Bounds) -> dict[str, Any]:
            saved_model, train = outputs["model"] / "Format-Serving", outputs["examples"] / "Split-train"
            export(saved_model, outputs["model_run"], train, Path(folder), bounds, gating, about, SECONDS, (name,))
            found: dict[str, Any] = json.loads((Path(folder) / "exports.json").read_text())["exports"][0]
            return found

        try:
            return made(Bounds(**model.export_bounds)) | {"released": False, "why": ""}
        except ExportFailed as failure:
            why = str(failure).partition(": ")[2].partition(". ")[0]
        except tf.errors.InvalidArgumentError:
            return {"released": False, "why": "its inputs are no features of the Examples, which int8 is calibrated with"}
        try:
            return made(WITHOUT_BOUNDS) | {"released": False, "why": why}
        except ExportFailed:
            return {"released": False, "why": why}


def signatures(outputs: Mapping[str, Path]) -> dict[str, dict[str, dict[str, str]]]:
    """Of each signature, by format: operations and what is to be said about them."""
    import tensorflow as tf

    saved_model = outputs["model"] / "Format-Serving"
    loaded = tf.saved_model.load(str(saved_model))
    exported, source = convertible(loaded)
    examples = tf.constant(read_golden(outputs["model_run"]).examples[:20])
    inputs = {"serving_default": {"examples": examples}, "raw": loaded.signatures["decode"](examples=examples)}
    inputs[exported] = loaded.signatures[source](examples=examples)
    cases = [f"{signature}/{name}" for signature in inputs for name in CONVERTERS]
    found: dict[str, dict[str, dict[str, str]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for signature, given in inputs.items():
            save_arrays(Path(folder) / f"{signature}.npz", {name: value.numpy() for name, value in given.items()})
        outcomes = attempts(saved_model, Path(folder), cases)
    for case in cases:
        signature, _, name = case.partition("/")
        found.setdefault(signature + (" (exported)" if signature == exported else ""), {})[name] = outcomes[case]
    return found


def attempts(saved_model: Path, folder: Path, cases: list[str]) -> dict[str, dict[str, str]]:
    """What came of each case: of one that crashes or hangs the process as the first it tries, that."""
    file = folder / "outcomes.json"
    outcomes: dict[str, dict[str, str]] = {}
    while left := [case for case in cases if case not in outcomes]:
        reason = ""
        try:
            run_module("benchmarks.tflite_attempt", [str(saved_model), str(folder), *left], folder, SECONDS)
        except ChildFailed as failure:
            reason = failure.reason
        outcomes = json.loads(file.read_text()) if file.is_file() else outcomes
        if reason and left[0] not in outcomes:
            outcomes[left[0]] = {"operations": "none", "about": reason}
            file.write_text(json.dumps(outcomes))
    return outcomes


def number(value: float | None, digits: int = 2) -> str:
    """A measured number, short."""
    return "–" if value is None else f"{value:.{digits}g}" if abs(value) < 1000 else f"{value:,.0f}"


def format_lines(row: str, found: dict[str, Any]) -> Iterator[list[str]]:
    """Lines of the first table."""
    if "formats" not in found:
        when = f"{found['date']}, {found['commit']}" if "date" in found else "–"
        yield [f"`{row}`", f"not measured: {found['reason']}", *[""] * 7, when]
        return
    exported = next(each for name, each in found["signatures"].items() if name.endswith("(exported)"))
    for name, each in found["formats"].items():
        operations = " ".join(filter(None, exported[name].values()))
        if "bytes" not in each:
            yield [f"`{row}`", name, operations, *["–"] * 5, f"can't: {each['why']}", f"{found['date']}, {found['commit']}"]
            continue
        released = "yes" if each["released"] else "left out" if found["verdict"] == "blessed and pushed" else found["verdict"]
        yield [
            f"`{row}`",
            name,
            operations,
            f"{each['bytes'] / 1e3:,.0f}",
            number(each["latency_ms"]),
            number(each["latency_2_threads_ms"]),
            number(each["max_abs_diff"]),
            number(each["points_lost"]),
            released + (f": {each['why']}" if each.get("why") else ""),
            f"{found['date']}, {found['commit']}",
        ]


def signature_lines(row: str, found: dict[str, Any]) -> Iterator[list[str]]:
    """Lines of the second table; formats of the same outcome share a cell."""
    for signature, formats in found.get("signatures", {}).items():
        outcomes: dict[str, list[str]] = {}
        for name, each in formats.items():
            what = {"built-in": "built-in operations only", "Flex": "needs Flex", "none": "can't"}[each["operations"]]
            outcomes.setdefault(f"{what}{': ' + each['about'] if each['about'] else ''}", []).append(name)
        cells = [outcome if len(outcomes) == 1 else f"{', '.join(names)}: {outcome}" for outcome, names in outcomes.items()]
        yield [f"`{row}`", f"`{signature.partition(' ')[0]}`{signature.partition(' ')[2] and ', exported'}", "; ".join(cells)]


FORMATS = [
    "model",
    "format",
    "operations",
    "kB",
    "ms, 1 thread",
    "ms, 2 threads",
    "largest difference",
    "points lost",
    "released",
    "measured",
]
HEAD = """# Models as TFLite

`make bench-tflite`, after a run on each model's sample; {machine}, no GPU; LiteRT by ai-edge-litert. Latencies are medians of 200
calls with one row each; differences are from the trained model's answers to the golden examples; a point is 0.01 of the gating metric,
or 1% of an error, on up to 1,000 examples of the test split ([what formats are held to](architecture.md)). Where a format is left
out, its figures are what it would have, and the reason is what the bounds say of it; the model's file in `pipelines/` has the rest.

"""
SIGNATURES = """
## Signatures

What each signature comes to in float32, float16, dynamic and int8 alike, unless formats are named. LiteRT runs built-in operations only;
one that needs Flex takes TensorFlow's own, which are named, along to the device. So the signature with tensors is what is exported: `raw`
where that takes whole numbers only, else `model`.

"""


def main() -> None:
    """The command line, see the head of this module."""
    arguments = row_arguments(__doc__, ROWS)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    root = arguments.root
    (root / "tflite").mkdir(parents=True, exist_ok=True)
    rows: dict[str, dict[str, Any]] = {}
    for row in arguments.names or ROWS:
        file = root / "tflite" / f"{row.replace(':', '-')}.json"
        if arguments.no_runs and not file.is_file():
            rows[row] = {"reason": "no run of this row has been made yet"}
            continue
        if arguments.again or not file.is_file():
            with contextlib.redirect_stdout(sys.stderr):
                file.write_text(json.dumps(measure(row, root), indent=1))
        rows[row] = json.loads(file.read_text())
        for line in format_lines(row, rows[row]):
            print(" | ".join(line), flush=True)
    first = table(FORMATS, [line for row, found in rows.items() for line in format_lines(row, found)])
    second = table(["model", "signature", "operations"], [line for row, found in rows.items() for line in signature_lines(row, found)])
    if arguments.write and set(rows) == set(ROWS):
        arguments.write.write_text(HEAD.format(machine=machine()) + first + "\n" + SIGNATURES + second + "\n")


if __name__ == "__main__":
    main()
