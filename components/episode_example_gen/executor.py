"""Work of EpisodeExampleGen: reads recorded episodes, and turns their steps into tf.Examples."""

import dataclasses
import functools
import hashlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tfx import types
from tfx.dsl.components.base import base_beam_executor

from components.content_splits import Settings, raw_files, write_examples
from components.errors import DataRejected
from components.files import list_files
from components.npz import DAMAGE, array_names, array_type, damaged
from components.splits import DIGEST_BYTES, TRAIN

SUFFIX = ".npz"
LARGEST_FILE = 2 << 30  # bytes of its arrays, since they are held in memory
# What a file has, each with the numbers of dimensions and the kinds of NumPy's types that it may have.
ARRAYS: Mapping[str, tuple[tuple[int, ...], str]] = {
    "observation": ((2, 3, 4), "fu"),
    "action": ((1, 2), "iuf"),
    "reward": ((1,), "iuf"),
    "next_observation": ((2, 3, 4), "fu"),
    "terminated": ((1,), "biu"),
    "episode": ((1,), "iu"),
}


@dataclasses.dataclass(frozen=True)
class EpisodeSource:
    """A file of episodes: a content_splits.Source. They have no test set of their own."""

    path: Path
    split: str = TRAIN


@dataclasses.dataclass(frozen=True)
class EpisodeBlock:
    """Steps of whole episodes: a content_splits.Block.

    Attributes:
        arrays: by name, [steps, …].
        begins: number of the first step of each episode.
        chosen: numbers of the steps that this block has, of all of the arrays'.
    """

    arrays: Mapping[str, np.ndarray]
    begins: np.ndarray
    chosen: np.ndarray

    def __len__(self) -> int:
        return len(self.chosen)

    def part(self, offset: int, step: int) -> "EpisodeBlock":
        """Every `step`-th episode from `offset` on, so that shards have whole ones."""
        return dataclasses.replace(self, chosen=np.flatnonzero(self.numbers % step == offset))

    @property
    def numbers(self) -> np.ndarray:
        """The number of the episode that each step of the arrays is of."""
        steps = np.arange(len(self.arrays["reward"]))
        return np.searchsorted(self.begins, steps, side="right") - 1

    @functools.cached_property
    def episode_digests(self) -> list[bytes]:
        """A hash of each episode's content."""
        names = [name for name in ARRAYS if name != "episode"]
        found = []
        for begin, end in zip(self.begins, [*self.begins[1:], len(self.arrays["reward"])], strict=True):
            digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
            for name in names:
                digest.update(np.ascontiguousarray(self.arrays[name][begin:end]).tobytes())
            found.append(digest.digest())
        return found

    def digests(self) -> list[bytes]:
        """A hash of the episode of each step; see `Block.digests`."""
        return [self.episode_digests[number] for number in self.numbers[self.chosen]]

    def serialize(self, rows: np.ndarray) -> Iterator[bytes]:
        """See `Block.serialize`."""
        numbers = self.numbers
        for row in self.chosen[rows]:
            example = tf.train.Example()
            features = example.features.feature
            for name in ("observation", "next_observation", "action"):
                values = self.arrays[name][row]
                if name != "action" and values.dtype == np.uint8:
                    features[name].bytes_list.value.append(np.ascontiguousarray(values).tobytes())
                elif values.dtype.kind == "f":
                    features[name].float_list.value.extend(values.ravel().tolist())
                else:
                    features[name].int64_list.value.extend(values.ravel().tolist())
            features["reward"].float_list.value.append(float(self.arrays["reward"][row]))
            features["terminated"].int64_list.value.append(int(self.arrays["terminated"][row]))
            features["episode"].bytes_list.value.append(self.episode_digests[numbers[row]].hex().encode())
            features["step"].int64_list.value.append(int(row - self.begins[numbers[row]]))
            yield example.SerializeToString(deterministic=True)


@functools.lru_cache(maxsize=2)
def read_episodes(source: EpisodeSource) -> EpisodeBlock:
    """Reads a file.

    Raises:
        DataRejected: it is not what it should be.
    """
    types = [array_type(source.path, name) for name in sorted(array_names(source.path))]
    size = sum(math.prod((dtype.itemsize, *shape)) for dtype, shape in types)
    if size > LARGEST_FILE:
        raise DataRejected(f"expected at most {LARGEST_FILE} bytes of arrays in {source.path}, received {size}. Record fewer at once.")
    try:
        with np.load(source.path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except DAMAGE as error:
        raise damaged(source.path, error) from error
    lacking = [name for name in ARRAYS if name not in arrays]
    if lacking:
        raise DataRejected(
            f"expected the arrays {', '.join(ARRAYS)} in {source.path}, {', '.join(lacking)} lacking. Record the episodes again."
        )
    check(arrays, source.path)
    episode = arrays["episode"]
    begins = np.concatenate([[0], 1 + np.flatnonzero(episode[1:] != episode[:-1])])
    if len(np.unique(episode[begins])) != len(begins):
        raise DataRejected(
            f"expected the steps of an episode to follow one another in {source.path}, received some of it in several places. Sort them."
        )
    return EpisodeBlock(arrays, begins, np.arange(len(episode)))


def check(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Raises DataRejected unless arrays are of the right types and shapes, of equally many steps, and finite."""
    steps = len(arrays["reward"]) if arrays["reward"].ndim else 0
    for name, (dimensions, kinds) in ARRAYS.items():
        array = arrays[name]
        if array.ndim not in dimensions or array.dtype.kind not in kinds or len(array) != steps or not steps:
            raise DataRejected(
                f"expected {name} in {path} to have {' or '.join(map(str, dimensions))} dimensions of one of the kinds {kinds} and as many "
                f"steps as the rewards, at least one, received {array.dtype} of shape {list(array.shape)} for {steps} rewards."
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            row = int(np.flatnonzero(~np.isfinite(array).reshape(steps, -1).all(axis=1))[0])
            raise DataRejected(f"expected finite numbers in {name} of {path}, received {array[row]} in step {row}. Repair the environment.")
    before, after = arrays["observation"], arrays["next_observation"]
    if before.shape != after.shape or before.dtype != after.dtype:
        raise DataRejected(
            f"expected observation and next_observation of {path} to be alike, received {before.dtype} {list(before.shape)} "
            f"and {after.dtype} {list(after.shape)}."
        )


class Executor(base_beam_executor.BaseBeamExecutor):
    """See EpisodeExampleGen."""

    def Do(
        self, input_dict: dict[str, list[types.Artifact]], output_dict: dict[str, list[types.Artifact]], exec_properties: dict[str, Any]
    ) -> None:
        """Reads the episodes of `input_base`, and writes the splits of the Examples artifact.

        Raises:
            DataRejected: the raw data isn't what it should be, or too little to make three splits of.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        folder, pattern = raw_files(exec_properties)
        read_episodes.cache_clear()
        try:
            sources = [EpisodeSource(path) for path in list_files(folder, pattern)]
            other = [source.path.name for source in sources if source.path.suffix != SUFFIX]
            if other:
                raise DataRejected(f"expected files of episodes ({SUFFIX}) in {folder}, received {', '.join(other[:3])}. Take others away.")
            write_examples(self._make_beam_pipeline, sources, read_episodes, Settings.of(exec_properties), output_dict, "steps of episodes")
        finally:
            read_episodes.cache_clear()
