"""Episodes of an environment: the sample is what the agent that knows nothing makes of it.

Successive collections are folders span-1, span-2 and so on; TFX's driver finds the latest.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import DataRejected
from pipelines.common.config import Data
from pipelines.common.datasets.definition import DataSet

if TYPE_CHECKING:
    import numpy as np

SEED = 20150226
FORMATS = (
    "a .npz file of recorded steps, or a folder of span-1, span-2, … of which the latest is taken "
    "(observation, action, reward, next_observation, terminated, episode); "
    "there is no full data, since an environment gives as much as is asked of it"
)


def environment_data(name: str, environment: str, observation: str, episodes: int) -> DataSet:
    """The data set of an environment.

    Args:
        name: of its folder.
        environment, observation: see trainer_modules/common/environments.py.
        episodes: of the sample.
    """
    return DataSet(
        name=name,
        description=f"sample: {episodes} episodes of {environment} played at random, recorded on the spot; the agent collects more",
        formats=FORMATS,
        write_sample=functools.partial(write_random, environment=environment, observation=observation, episodes=episodes),
        episodes=True,
    )


def write_random(folder: Path, environment: str, observation: str, episodes: int) -> None:
    """Records episodes of random actions into span-1 of a folder.

    Raises:
        OSError: the file can't be written.
    """
    from trainer_modules.common import playing

    write_span(folder, playing.record(environment, observation, playing.at_random, episodes, SEED))


def write_span(folder: Path, steps: dict[str, np.ndarray]) -> Path:
    """Writes recorded steps as the next span of a folder, and returns its file."""
    import numpy as np  # here, so that models are listed without it

    span = folder / f"span-{max(spans(folder), default=0) + 1}"
    span.mkdir(parents=True)
    np.savez_compressed(span / "episodes.npz", **steps)  # type: ignore[arg-type]
    return span / "episodes.npz"


def spans(folder: Path) -> list[int]:
    """The numbers of the spans in a folder."""
    return [int(match[1]) for path in folder.glob("span-*") if (match := re.fullmatch(r"span-(\d+)", path.name))]


def span_pattern(data: Data) -> str:
    """The glob of recorded files in which {SPAN} stands for the number of a collection, if they lie in folders of spans.

    Raises:
        DataRejected: they lie in other folders.
    """
    depth = data.pattern.count("/")
    if not depth:
        return data.pattern
    if depth == 1 and all(re.fullmatch(r"span-\d+", name) for name in data.class_names):
        return "span-{SPAN}/*"
    raise DataRejected(
        f"expected recorded episodes of {data.path} in folders span-1, span-2, …, received {', '.join(data.class_names[:3])}. Rename them."
    )
