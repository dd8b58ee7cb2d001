"""What `components.imports.uncollected` saves: seconds of a process that imports the pipeline's libraries and ends.

python benchmarks/imports.py [REPEAT]
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

IMPORT = "from pipelines.common import graph, runs"
VARIANTS = {
    "as usual": IMPORT,
    "uncollected": f"from components.imports import uncollected\nwith uncollected():\n    {IMPORT}",
}


def seconds(code: str) -> float:
    """Wall time of a Python process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    repeat = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    times = {name: [] for name in VARIANTS}
    for _ in range(repeat):
        for name, code in VARIANTS.items():
            times[name].append(seconds(code))
    for name, measured in times.items():
        print(f"{name:12} {statistics.median(measured):.2f} s")
