"""ImageExampleGen: raw images and labels to tf.Examples in splits that are disjoint by content."""

from collections.abc import Sequence

from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec

from components.content_splits import Settings, example_gen_arguments
from components.image_example_gen.executor import Executor


class ImageExampleGen(FileBasedExampleGen):
    """An ExampleGen for image arrays; TFX's own driver finds the files, their span and their fingerprint.

    It reads IDX files as MNIST's (`train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, and `t10k-` or `test-` likewise,
    gzipped or not), one NPZ file (`x_train`, `y_train` and perhaps `x_test`, `y_test`; or `x`, `y`; or `images`, `labels`),
    or pictures (`<class>/*.png`, .jpg, .jpeg or .bmp, or `train/<class>/` and `test/<class>/`, or `trainA/`, `trainB/`, `testA/` and
    `testB/`, whose classes are A and B).

    Its output `examples` has the splits train, validation and test, as uncompressed TFRecords of tf.Examples:

    - `image`: bytes, the raw uint8 pixels, row-major, [H, W] or [H, W, C]
    - `image/height`, `image/width`, `image/channels`: int64
    - `image/brightness`: float, the mean pixel / 255
    - `label`: int64

    A test set of the data's own is `test`; images of train that occur in it are dropped, and their number is the artifact's
    custom property `dropped_duplicates`. Otherwise an image's split depends on its pixels and shape alone, so that equal
    images always land in the same split, whatever their order, label and format.

    With `encoded`, pictures may be of any size, and `image` holds the bytes of their files, still encoded.

    Args:
        input_base: folder of the raw data.
        pattern: glob, relative to `input_base`, of all its files: "*" for IDX, "*/*" for a folder per class, "*/*/*" with
            train and test above them, the name of an NPZ file. It may hold {SPAN} and {VERSION} as TFX's ExampleGens take them.
        class_names: names of the class folders in the order of their labels; without them, their alphabetical order.
        encoded: whether pictures stay encoded, to be decoded in the served graph.
        validation_percent, test_percent, code_fingerprint, data_fingerprint: see content_splits.Settings.

    Raises:
        ValueError: the percentages leave nothing to train on, or nothing for validation or test.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        input_base: str,
        pattern: str,
        class_names: Sequence[str] = (),
        encoded: bool = False,
        validation_percent: float = 10,
        test_percent: float = 20,
        code_fingerprint: str = "",
        data_fingerprint: str = "",
    ):
        reader = {"class_names": list(class_names), "encoded": encoded}
        settings = Settings(validation_percent, test_percent, code_fingerprint, data_fingerprint, reader)
        super().__init__(**example_gen_arguments(input_base, pattern, settings))
