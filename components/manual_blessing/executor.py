"""Writes a blessing with its reason."""

from pathlib import Path
from typing import Any

from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.manual_blessing.properties import BY, REASON


class Executor(base_executor.BaseExecutor):
    """Work of ManualBlessing."""

    def Do(
        self, input_dict: dict[str, list[types.Artifact]], output_dict: dict[str, list[types.Artifact]], exec_properties: dict[str, Any]
    ) -> None:
        """Blesses as TFX's Evaluator does, by a custom property and a file; with who and why where the Evaluator had refused."""
        evaluated = artifact_utils.get_single_instance(input_dict["evaluated"])
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, constants.BLESSED_VALUE)
        Path(blessing.uri, constants.BLESSED_FILE_NAME).touch()
        if evaluated.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY) != constants.BLESSED_VALUE:
            blessing.set_string_custom_property(REASON, exec_properties["reason"])
            blessing.set_string_custom_property(BY, exec_properties["by"])


def given_by_hand(blessing: types.Artifact) -> dict[str, str] | None:
    """Who blessed a model by hand and why, as {"reason", "by"}; None where the Evaluator did."""
    reason = blessing.get_string_custom_property(REASON)
    return {"reason": reason, "by": blessing.get_string_custom_property(BY)} if reason else None
