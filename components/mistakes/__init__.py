"""Shows the worst mistakes of a classifier as a section of the report."""
