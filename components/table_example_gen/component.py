"""TableExampleGen: rows of text files to tf.Examples in splits that are disjoint by content."""

from collections.abc import Sequence

from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec

from components.content_splits import Settings, example_gen_arguments
from components.table_example_gen.executor import Executor


class TableExampleGen(FileBasedExampleGen):
    """An ExampleGen for rows; TFX's own driver finds the files, their span and their fingerprint.

    It reads .csv (RFC 4180), .tsv and .txt (tab-separated, no quotes) and .jsonl (an object per line), in UTF-8, each perhaps
    compressed (.gz, .xz). Files with the word "test" in their name are the official test set.

    Its output `examples` has the splits train, validation and test, as uncompressed TFRecords of tf.Examples with the features of
    the schema, in their types. A value that is missing (an empty cell, null; for numbers also NA or NaN) is a feature that is
    absent. Columns that the schema does not know are left out.

    Rows of train whose inputs occur in an official test set are dropped, and their number is the artifact's custom property
    `dropped_duplicates`. Otherwise a row's split depends on its inputs alone (without the label; texts without regard to case and
    white space), so that rows with equal inputs always land in the same split.

    Args:
        input_base: folder of the raw data.
        pattern: glob, relative to `input_base`, of all its files.
        schema: text proto of the curated schema: names and types of the features.
        label: the feature to learn.
        class_names: names that an integer label may have in the files, in the order of its numbers.
        header: names of the columns of files that do not name them in their first row.
        delimiter: of .csv files.
        origin: a feature that is to hold the name of the file each row is from; empty for none.
        words: of a row of one text at most; a longer one is cut into several rows. 0 for any number.
        validation_percent, test_percent, code_fingerprint, data_fingerprint: see content_splits.Settings.

    Raises:
        ValueError: the percentages leave nothing to train on, or nothing for validation or test.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        input_base: str,
        pattern: str,
        schema: str,
        label: str,
        class_names: Sequence[str] = (),
        header: Sequence[str] = (),
        delimiter: str = ",",
        origin: str = "",
        words: int = 0,
        validation_percent: float = 10,
        test_percent: float = 20,
        code_fingerprint: str = "",
        data_fingerprint: str = "",
    ):
        reader = {
            "schema": schema,
            "label": label,
            "class_names": list(class_names),
            "header": list(header),
            "delimiter": delimiter,
            "origin": origin,
            "words": words,
        }
        settings = Settings(validation_percent, test_percent, code_fingerprint, data_fingerprint, reader)
        super().__init__(**example_gen_arguments(input_base, pattern, settings))
