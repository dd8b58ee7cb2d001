"""Rows of CSV, tab-separated or JSON-lines files to tf.Examples, in splits that are disjoint by content."""
