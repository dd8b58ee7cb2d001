"""Gates: whatever TFDV can have against the data stops a run of any model, and what was served before still is."""

from __future__ import annotations

import dataclasses
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from components.pusher import publication
from pipelines.common.layout import load_model, metadata_path, model_names, serving_dir
from reliability.section import Row, Section
from reliability.stand_ins import public_keys, served_before

TEXT = """
Of every model the real sample is read and its statistics are taken. Then, for each kind of anomaly that TFDV can find with the model's
curated schema, the statistics are damaged so that it does, and a run goes on from there. Harm is done by a run that does not end as `not
blessed` with exit code 4 and the anomaly in words, that pushes anything, or after which the version served before is not the one that
answers. The naive version is TFX's own: ExampleValidator records what it finds, and the run goes on.
"""
STOP_BEFORE = "ExampleValidator"


class Stopped(Exception):
    """Ends the run that prepares the statistics."""


@dataclasses.dataclass
class Watcher:
    """The display of a run that shows nothing, and ends it before a node."""

    stop_before: str = ""

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *raised: object) -> None:
        pass

    def started(self, node_id: str) -> None:
        """A node starts."""
        if node_id == self.stop_before:
            raise Stopped

    def finished(self, node_id: str, state: str, seconds: float, note: str = "") -> None:
        """A node ended."""


def measure(full: bool, folder: Path) -> Section:
    """Every curated schema with each of its anomalies in the training split (`full`: in each split)."""
    rows, kinds = [], Counter[str]()
    for name in model_names():
        with_schemas = [preset for preset, config in load_model(name).presets.items() if config.schema]
        for preset in ("", *with_schemas):
            what = f"{name}:{preset}" if preset else name
            injected, harmed, recorded = trials(name, preset, folder / what, ("train", "validation", "test") if full else ("train",))
            kinds.update(injected.keys())
            naive = f"{recorded} of {sum(injected.values())} went on"
            rows.append(Row(f"anomalies of `{what}`", sum(injected.values()), harmed, naive, f"{len(injected)} kinds"))
    listed = ", ".join(f"{kind} ({count})" for kind, count in sorted(kinds.items()))
    return Section("Gates", f"{TEXT}\nThe kinds, and how many of the {len(rows)} schemas they are of: {listed}.\n", rows)


def trials(name: str, preset: str, root: Path, splits: tuple[str, ...]) -> tuple[dict[str, int], int, int]:
    """All anomalies of a model, or of one of its presets.

    Returns:
        How often each was injected, by its name; how many did harm; and of how many ExampleValidator made a record and no more.
    """
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

    from pipelines.common.runs import execute
    from reliability.anomalies import anomalies_of
    from serving.server import ModelServer

    run = prepared(name, preset, root)
    model = load_model(name).for_run(run)
    execute(model, run, lambda graph: Watcher(STOP_BEFORE))
    schema = text_format.Parse(model.schema_path.read_text(), schema_pb2.Schema())
    store, kept = metadata_path(root, name), root / "kept.sqlite"
    shutil.copy(store, kept)
    injected: dict[str, int] = {}
    harmed = recorded = 0
    with ModelServer(root / "serving", [name], grpc_port=0, rest_port=0, poll_seconds=0.2, trusted=public_keys()) as server:
        for split in splits:
            (file,) = root.glob(f"artifacts/{name}/StatisticsGen/statistics/*/Split-{split}/FeatureStats.pb")
            good = file.read_bytes()
            statistics = statistics_pb2.DatasetFeatureStatisticsList.FromString(good)
            for kind, damaged in anomalies_of(statistics.datasets[0], schema).items():
                shutil.copy(kept, store)
                file.write_bytes(statistics_pb2.DatasetFeatureStatisticsList(datasets=[damaged]).SerializeToString())
                record = execute(model, run, lambda graph: Watcher())
                server.scan()
                injected[kind] = injected.get(kind, 0) + 1
                harmed += did_harm(record, server.served(), serving_dir(root, name), split)
                recorded += state_of(record, STOP_BEFORE) == "complete"
            file.write_bytes(good)
    return injected, harmed, recorded


def prepared(name: str, preset: str, root: Path) -> Any:
    """A run of the sample, under a root where a version is served already."""
    from pipelines.common.commands.run import resolved
    from pipelines.common.config import RunConfig

    root.mkdir()
    served_before(serving_dir(root, name) / "1")
    hparams, data = resolved(load_model(name), preset, {}, "sample", root)
    return RunConfig(root=root, data=data, hparams=hparams, preset=preset)


def did_harm(record: dict[str, Any], served: dict[str, int], folder: Path, split: str) -> bool:
    """Whether a run with an anomaly ended otherwise than it must."""
    told = record["verdict"] == "not blessed" and record["exit_code"] == 4 and f"({split})" in record["reason"]
    return not (told and record["pushed"] is None and list(served.values()) == [1] and publication.versions(folder) == [1])


def state_of(record: dict[str, Any], node_id: str) -> str:
    """What became of a node."""
    return next(str(node["state"]) for node in record["nodes"] if node["id"] == node_id)
