"""The work of the Tuner: TFX's, then the record of the search is kept."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tfx.components.tuner import executor
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

RECORD = "search.json"


class Executor(base_executor.BaseExecutor):
    """Runs TFX's search and copies what the tuner left in its project's folder."""

    def Do(self, input_dict: dict[str, list[Any]], output_dict: dict[str, list[Any]], exec_properties: dict[str, Any]) -> None:
        """See TFX's Tuner for inputs, outputs and parameters."""
        tuner = executor.search(input_dict, exec_properties, self._get_tmp_dir(), print_tuning_summary=False)
        executor.write_best_hyperparameters(tuner, output_dict)
        record = Path(tuner.project_dir, RECORD)
        if record.is_file():
            shutil.copy(record, Path(artifact_utils.get_single_uri(output_dict["tuner_results"]), RECORD))
