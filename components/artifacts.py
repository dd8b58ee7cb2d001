"""Types of artifacts that TFX lacks; the name of each is where a node of a compiled pipeline imports it from."""

from tfx.types import artifact


class Exports(artifact.Artifact):
    """A model in further formats: a file for each, and exports.json (its schema is in docs/architecture.md)."""

    TYPE_NAME = "components.Exports"


class Validation(artifact.Artifact):
    """What the C++ SavedModel loader answered: validation.json (its schema is in docs/architecture.md)."""

    TYPE_NAME = "components.Validation"


class Section(artifact.Artifact):
    """A section of the report: section.json and the pictures it names (its schema is in docs/architecture.md)."""

    TYPE_NAME = "components.Section"


class DataBlessing(artifact.Artifact):
    """Says that the data had no anomalies: the empty file DATA_BLESSED."""

    TYPE_NAME = "components.DataBlessing"


class Deployment(artifact.Artifact):
    """What serves a pushed version on an endpoint: deployment.json (its schema is in docs/architecture.md)."""

    TYPE_NAME = "components.Deployment"
