"""TFX's ImportSchemaGen with the schema's content in the cache key: alone it would not notice an edited file."""

import hashlib
from pathlib import Path

from tfx import types
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.types import component_spec, standard_artifacts, standard_component_specs


class CuratedSchemaSpec(standard_component_specs.ImportSchemaGenSpec):
    """Interface of ImportSchemaGen, and a fingerprint."""

    PARAMETERS = {  # noqa: RUF012 (TFX's interface)
        **standard_component_specs.ImportSchemaGenSpec.PARAMETERS,
        "schema_fingerprint": component_spec.ExecutionParameter(type=str),
    }


class CuratedSchema(ImportSchemaGen):
    """ImportSchemaGen of a file whose content enters the cache key.

    Args:
        schema_file: text proto of the schema.
    """

    SPEC_CLASS = CuratedSchemaSpec

    def __init__(self, schema_file: Path):
        spec = CuratedSchemaSpec(
            schema_file=str(schema_file),
            schema_fingerprint=hashlib.sha256(schema_file.read_bytes()).hexdigest(),
            schema=types.Channel(type=standard_artifacts.Schema),
        )
        # Past ImportSchemaGen's own __init__, which would make the spec without the fingerprint.
        super(ImportSchemaGen, self).__init__(spec=spec)
