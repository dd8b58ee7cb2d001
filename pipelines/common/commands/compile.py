"""`darsena compile MODEL --target vertex|kubeflow`: the pipeline as a file that the target runs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from components.places import uri_of
from pipelines.common.commands import machines
from pipelines.common.commands.options import (
    Command,
    debug_option,
    is_debug,
    json_option,
    model_argument,
    print_json,
    root_option,
    together,
)
from pipelines.common.commands.run import overrides, resolved
from pipelines.common.config import Baseline, ModelConfig, RunConfig
from pipelines.common.data import cannot_write
from pipelines.common.errors import UsageError
from pipelines.common.quiet import NOWHERE, quiet
from pipelines.common.remote.target import KUBEFLOW, TARGETS, Remote, Resources, default_root, gigabytes, secret_key
from trainer_modules.common.strategies import PRECISIONS

EXAMPLES = (
    "darsena compile {model} --target vertex --pipeline-root gs://bucket/darsena --image IMAGE -o job.json",
    "darsena compile {model} --target kubeflow --pipeline-root minio://mlpipeline/darsena --image IMAGE --volume darsena -o pipeline.yaml",
)


# Those of `compiled`, which sees to what is required: `darsena submit FILE` takes none of them.
compile_options = together(
    click.option("--pipeline-root", metavar="URI", help="For artifacts: gs://…, with Kubeflow s3://… or minio://… too.  [required]"),
    click.option("--image", metavar="IMAGE", help="Container image of the nodes (kubeflow/Dockerfile makes it).  [required]"),
    click.option(
        "--remote-root", type=click.Path(path_type=Path), metavar="DIR", help="Root as nodes see it.  [default: the bucket, or the volume]"
    ),
    click.option("--data", default="sample", metavar="sample|full|PATH", show_default=True, help="Here: what its files and classes are."),
    click.option(
        "--data-at", type=click.Path(path_type=Path), metavar="DIR", help="The same data as nodes see it.  [default: <remote root>/data/…]"
    ),
    click.option("--preset", default="", metavar="NAME", help="A variant of the model."),
    click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A hyperparameter (repeatable)."),
    click.option("--epochs", type=click.IntRange(min=1), metavar="N", help="The same as --set epochs=N."),
    machines.machine_options,
    click.option(
        "--precision", type=click.Choice(list(PRECISIONS)), default="float32", show_default=True, help="Of the training's arithmetic."
    ),
    click.option("--scale-batch", is_flag=True, help="Batch and learning rate times the number of replicas."),
    click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=42, show_default=True, metavar="N", help="Of all random choices."),
    click.option(
        "--baseline", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE", help="darsena.json of what is served."
    ),
    click.option("--cpu", multiple=True, metavar="NODE=CORES", help="Of a node (repeatable)."),
    click.option("--memory", multiple=True, metavar="NODE=16G", help="Of a node (repeatable)."),
    click.option("--accelerator", multiple=True, metavar="NODE=KIND[:N]", help="Of a node (repeatable), by the target's name."),
    click.option("--image-of", multiple=True, metavar="NODE=IMAGE", help="Of a node (repeatable)."),
    click.option("--volume", default="", metavar="CLAIM", help="With Kubeflow: a PersistentVolumeClaim for the remote root."),
    click.option("--secret", multiple=True, metavar="VARIABLE=SECRET/KEY", help="With Kubeflow: of all nodes (repeatable)."),
    click.option("--pull-secret", default="", metavar="SECRET", help="With Kubeflow: signs in to a private registry of images."),
    click.option("--endpoint", type=click.Path(path_type=Path), metavar="FILE", help="With Vertex AI: settings of what serves each push."),
    click.option("--notify", default="", metavar="URL", help="A webhook that is told how a run ended."),
    click.option("--no-cache", is_flag=True, help="Answer no node from an earlier run."),
)


def compiled(
    model: ModelConfig,
    target: str,
    root: Path,
    pipeline_root: str | None,
    image: str | None,
    remote_root: Path | None,
    data: str,
    data_at: Path | None,
    preset: str,
    settings: tuple[str, ...],
    epochs: int | None,
    train_on: Path | None,
    endpoint: Path | None,
    baseline: Path | None,
    cpu: tuple[str, ...],
    memory: tuple[str, ...],
    accelerator: tuple[str, ...],
    image_of: tuple[str, ...],
    volume: str,
    secret: tuple[str, ...],
    pull_secret: str,
    notify: str,
    no_cache: bool,
    **options: Any,
) -> tuple[dict[str, Any], Path, Path]:
    """The job of a model's pipeline, from the options.

    Returns:
        The job; where its data is here; where its nodes look for the same data.

    Raises:
        MissingParameter: an option is missing without which there is none.
    """
    pipeline_root, image = needed("--pipeline-root", pipeline_root), needed("--image", image)
    place = remote_root or default_root(target, pipeline_root)
    remote = Remote(
        target,
        pipeline_root.rstrip("/"),
        image,
        images=dict(pairs("--image-of", image_of, str)),
        resources=resources(cpu, memory, accelerator),
        volume=volume,
        mount=str(place),
        pull_secret=pull_secret,
        secrets=dict(pairs("--secret", secret, secret_key, "VARIABLE=SECRET/KEY")),
        webhook=notify,
        cache=not no_cache,
    )
    machines.check(options["strategy"], options["workers"], options["tune"])
    hparams, found = resolved(model, preset, overrides(settings, epochs), data, root)
    at = data_at or place / "data" / found.path.name
    # Kubeflow's launcher gives each node folders of its own, and the volume is what a job's machines see too.
    elsewhere = machines.train_on(train_on, options["strategy"], options["tune"], place / "jobs", copied=target == KUBEFLOW)
    if elsewhere:
        remote.check_job(elsewhere["job"])
    with quiet(None if is_debug() else NOWHERE):
        from pipelines.common.fingerprint import data_fingerprint
        from pipelines.common.remote.compiling import compile_job
        from pipelines.common.remote.endpoint import read

        run = RunConfig(
            root=place,
            data=dataclasses.replace(found, path=at, version=data_fingerprint(found)),
            hparams=hparams,
            preset=preset,
            cache=not no_cache,
            train_on=elsewhere,
            endpoint=read(endpoint, target, place) if endpoint else "",
            baseline=read_baseline(baseline) if baseline else None,
            **options,
        )
        job = compile_job(model, run, remote)
    return job, found.path, at


@click.command("compile", cls=Command, examples=EXAMPLES)
@model_argument
@click.option("--target", type=click.Choice(TARGETS), required=True, help="Who runs it.")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Default: standard output.")
@compile_options
@root_option
@json_option
@debug_option
def command(model: ModelConfig, target: str, out: Path | None, root: Path, as_json: bool, **options: Any) -> None:
    """Write the pipeline for Vertex AI (a job as JSON) or Kubeflow Pipelines (YAML), with no network.

    The same arguments make the same file. Its runtime parameters are `data` and `serving_dir`.
    """
    job, here, there = compiled(model, target, root, **options)
    from pipelines.common.remote.compiling import written

    text = written(job, target)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text)
    except OSError as error:
        raise cannot_write(out, error) from error
    nodes = sorted(job["pipelineSpec"]["components"])
    if as_json:
        print_json(
            {"file": str(out), "target": target, "nodes": nodes, "data": str(there), "parameters": job["runtimeConfig"]["parameterValues"]}
        )
        return
    click.echo(f"wrote  {out}, {len(nodes)} nodes, for {'Kubeflow Pipelines' if target == KUBEFLOW else 'Vertex AI'}")
    click.echo(f"data   {here} is to be at {there}")


def needed(option: str, value: str | None) -> str:
    """The value of an option that there is to be.

    Raises:
        MissingParameter: there is none.
    """
    if value is None:
        raise click.MissingParameter(ctx=click.get_current_context(), param_hint=repr(option), param_type="option")
    return value


def pairs(option: str, given: Iterable[str], convert: Callable[[str], Any], shape: str = "NODE=VALUE") -> Iterable[tuple[str, Any]]:
    """NODE=VALUE, or what else has the `shape` of a name and a value, as pairs.

    Raises:
        UsageError: one is none, or its value is not what the option takes.
    """
    for each in given:
        name, equals, value = each.partition("=")
        try:
            if not (name and equals and value):
                raise ValueError("one of them is missing")
            yield name, convert(value)
        except ValueError as error:
            raise UsageError(f"expected {option} {shape}, received {each!r}: {error}.") from error


def resources(cpu: Iterable[str], memory: Iterable[str], accelerator: Iterable[str]) -> dict[str, Resources]:
    """What nodes get, from what was typed."""
    found: dict[str, Resources] = {}
    for option, given, convert, name in (("--cpu", cpu, float, "cpu"), ("--memory", memory, gigabytes, "memory")):
        for node, value in pairs(option, given, convert):
            found[node] = dataclasses.replace(found.get(node, Resources()), **{name: value})
    for node, (kind, count) in pairs("--accelerator", accelerator, kind_and_count):
        found[node] = dataclasses.replace(found.get(node, Resources()), accelerator=kind, count=count)
    return found


def kind_and_count(text: str) -> tuple[str, int]:
    """An accelerator's name and how many, from KIND or KIND:N."""
    kind, _, count = text.partition(":")
    if int(count or 1) < 1:
        raise ValueError("there is to be at least one")
    return kind, int(count or 1)


def read_baseline(file: Path) -> Baseline:
    """The served model that a run's candidate is compared with, from what was pushed with it.

    Raises:
        UsageError: the file is no darsena.json.
    """
    try:
        lineage = json.loads(file.read_text())
        return Baseline(lineage["version"], uri_of(lineage["model_uri"]), lineage["lineage"]["recipe"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"expected --baseline to be the darsena.json in assets.extra/ of a pushed version, could not read {file} ({error})."
        ) from error
