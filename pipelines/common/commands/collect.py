"""`darsena collect MODEL`: more recorded episodes of a model's environment."""

from __future__ import annotations

from pathlib import Path

import click

from components.imports import uncollected
from pipelines.common.commands.options import Command, debug_option, json_option, model_argument, print_json, root_option
from pipelines.common.config import ModelConfig
from pipelines.common.errors import UsageError
from pipelines.common.layout import versions
from pipelines.common.trust import verified

EXAMPLES = ("darsena collect {model} --episodes 50", "darsena collect {model} --episodes 50 --policy served")


@click.command("collect", cls=Command, examples=EXAMPLES)
@model_argument
@click.option("--episodes", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="How many to record.")
@click.option("--policy", type=click.Choice(["random", "served"]), default="random", show_default=True, help="Who plays.")
@click.option("--preset", default="", metavar="NAME", help="Of a variant of the model (see `run MODEL --help`).")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=42, show_default=True, metavar="N", help="Of all random choices.")
@root_option
@json_option
@debug_option
def command(model: ModelConfig, episodes: int, policy: str, preset: str, seed: int, root: Path, as_json: bool) -> None:
    """Record episodes of a model's environment as its next span.

    They are played at random or by the version that is served, and written to <root>/data/<data set>-collected/span-N. A run with that
    folder as --data takes the latest span.
    """
    chosen = model.with_preset(preset)
    if not chosen.data.episodes:
        raise UsageError(
            f"expected a model that learns from episodes of an environment, received {model.name}: there is nothing to collect."
        )
    pushed = versions(root, model.name)
    if policy == "served" and not pushed:
        raise UsageError(
            f"expected a served version of {model.name} under {root}, there is none. Run it first, or collect with --policy random."
        )
    from pipelines.common.data import check_root

    check_root(root)
    folder = root.resolve() / "data" / f"{chosen.data.name}-collected"
    with uncollected():
        from pipelines.common.datasets import episodes as recording
        from serving import operations
        from trainer_modules.common import agents, playing

        where = chosen.hparams["environment"], chosen.hparams["observation"]
        player: playing.Policy = playing.at_random
        if policy == "served":
            version = verified(root, model.name, pushed[-1])
            operations.checked(version)
            try:
                player = agents.served_policy(version, where[1])
            except ValueError as error:
                raise UsageError(str(error)) from error
        # Each span on seeds of its own.
        steps = playing.record(*where, player, episodes, seed + 1000 * len(recording.spans(folder)))
        file = recording.write_span(folder, steps)
    found = {"folder": str(folder), "file": str(file), "episodes": episodes, "steps": len(steps["reward"]), "policy": policy}
    if as_json:
        print_json(found)
    else:
        options = f" --preset {preset}" if preset else ""
        click.echo(f"{found['steps']:,} steps of {episodes} episodes in {file}\ndarsena run {model.name}{options} --data {folder}")
