"""`python -m pipelines` is `darsena`."""

import sys

from pipelines.common.cli import main

sys.exit(main())
