"""ImageExampleGen: raw images and labels to tf.Examples in splits that are disjoint by content."""

from collections.abc import Sequence

from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2

from components.image_example_gen.executor import SPLITS, Executor, Settings


class ImageExampleGen(FileBasedExampleGen):
    """An ExampleGen for image arrays; TFX's own driver finds the files, their span and their fingerprint.

    It reads IDX files as MNIST's (`train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, and `t10k-` or `test-` likewise,
    gzipped or not), one NPZ file (`x_train`, `y_train` and perhaps `x_test`, `y_test`; or `x`, `y`; or `images`, `labels`),
    or pictures (`<class>/*.png`, .jpg, .jpeg or .bmp, or `train/<class>/` and `test/<class>/`).

    Its output `examples` has the splits train, validation and test, as uncompressed TFRecords of tf.Examples:

    - `image`: bytes, the raw uint8 pixels, row-major, [H, W] or [H, W, C]
    - `image/height`, `image/width`, `image/channels`: int64
    - `image/brightness`: float, the mean pixel / 255
    - `label`: int64

    A test set of the data's own is `test`; images of train that occur in it are dropped, and their number is the artifact's
    custom property `dropped_duplicates`. Otherwise an image's split depends on its pixels and shape alone, so that equal
    images always land in the same split, whatever their order, label and format.

    Args:
        input_base: folder of the raw data.
        pattern: glob, relative to `input_base`, of all its files: "*" for IDX, "*/*" for a folder per class, "*/*/*" with
            train and test above them, the name of an NPZ file. It may hold {SPAN} and {VERSION} as TFX's ExampleGens take them.
        class_names: names of the class folders in the order of their labels; without them, their alphabetical order.
        validation_percent: share of the images, without those of a test set of the data's own, that are for validation.
        test_percent: share of the images that are the test set, where the data has none of its own.
        code_fingerprint: enters the cache key.
        data_fingerprint: enters the cache key: TFX's own fingerprint of the data doesn't see that files were renamed, as is
            done to move a picture to another class.

    Raises:
        ValueError: the percentages leave nothing to train on, or nothing for validation or test.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        input_base: str,
        pattern: str,
        class_names: Sequence[str] = (),
        validation_percent: float = 10,
        test_percent: float = 20,
        code_fingerprint: str = "",
        data_fingerprint: str = "",
    ):
        if not (validation_percent > 0 and test_percent > 0 and validation_percent + test_percent < 100):
            raise ValueError(
                "expected validation_percent and test_percent above 0 that sum to less than 100, "
                f"received {validation_percent} and {test_percent}. Leave something to train on."
            )
        # TFX wants hash buckets with the names of the splits; the executor splits by the settings, in custom_config.
        buckets = [example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=1) for name in SPLITS]
        settings = Settings(validation_percent, test_percent, tuple(class_names), code_fingerprint, data_fingerprint)
        super().__init__(
            input_base=input_base,
            input_config=example_gen_pb2.Input(splits=[example_gen_pb2.Input.Split(name="raw", pattern=pattern)]),
            output_config=example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=buckets)),
            custom_config=settings.pack(),
        )
