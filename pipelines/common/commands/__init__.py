"""The commands of `darsena`, one module each with its `command`; loaded by pipelines/common/cli.py when asked for."""
