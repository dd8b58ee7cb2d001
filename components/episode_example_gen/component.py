"""EpisodeExampleGen: recorded episodes of an environment to tf.Examples of transitions, in splits that share no episode."""

from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec

from components.content_splits import Settings, example_gen_arguments
from components.episode_example_gen.executor import Executor


class EpisodeExampleGen(FileBasedExampleGen):
    """An ExampleGen for the experience of an agent; TFX's own driver finds the files, their span and their fingerprint.

    It reads .npz files without pickled objects, of steps in the order in which they were taken: `observation` and `next_observation`
    [steps, …], float32 or uint8; `action` [steps] of integers, or [steps, numbers] of floats; `reward` [steps]; `terminated` [steps],
    whether the episode ended by itself with this step, rather than being cut off; and `episode` [steps], a number that neighbouring
    steps of one episode share. Successive collections are folders span-1, span-2 and so on, of which a run takes the latest.

    Its output `examples` has the splits train, validation and test, as uncompressed TFRecords of tf.Examples with these features:
    `observation` and `next_observation` (a list of floats; of uint8, the raw bytes), `action` (an integer, or a list of floats),
    `reward`, `terminated` (0 or 1), `episode` (a hash of the whole episode, in hexadecimal) and `step` (counted from 0). The steps of an
    episode follow one another in order.

    A whole episode's split depends on its content alone, so that no two splits have steps of the same one.

    Args:
        input_base: folder of the raw data.
        pattern: glob, relative to `input_base`, of all its files; {SPAN} stands for the number of a collection.
        validation_percent, test_percent, code_fingerprint, data_fingerprint: see content_splits.Settings.

    Raises:
        ValueError: the percentages leave nothing to train on, or nothing for validation or test.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        input_base: str,
        pattern: str,
        validation_percent: float = 15,
        test_percent: float = 20,
        code_fingerprint: str = "",
        data_fingerprint: str = "",
    ):
        settings = Settings(validation_percent, test_percent, code_fingerprint, data_fingerprint, {})
        super().__init__(**example_gen_arguments(input_base, pattern, settings))
