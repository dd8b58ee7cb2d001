"""The HTML report of a run and the terminal's view of it. Knows kinds of artifacts, never a model."""
