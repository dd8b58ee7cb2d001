"""Runs a preprocessing_fn through TFT's own Beam analysis, as the Transform component does, for tests of what follows it."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import apache_beam as beam
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io
from tfx_bsl.public import tfxio

RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"


def analyse(
    preprocessing_fn: Callable, schema_text: str, examples: Sequence[bytes], folder: Path
) -> tuple[tft.TFTransformOutput, schema_pb2.Schema]:
    """Analyses serialized tf.Examples.

    Returns:
        The transform output, written into `folder`, and the parsed schema.
    """
    schema = text_format.Parse(schema_text, schema_pb2.Schema())
    source = tfxio.TFExampleBeamRecord(physical_format="inmem", schema=schema)
    with tempfile.TemporaryDirectory() as temp, beam.Pipeline(runner=RUNNER) as pipeline, tft_beam.Context(temp_dir=temp):
        raw = pipeline | beam.Create(list(examples)) | source.BeamSource()
        function = (raw, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(preprocessing_fn)
        function | tft_beam.WriteTransformFn(str(folder))
    metadata = dataset_metadata.DatasetMetadata(schema)
    metadata_io.write_metadata(metadata, str(folder / tft.TFTransformOutput.RAW_METADATA_DIR))
    return tft.TFTransformOutput(str(folder)), schema
