"""Answers of a pushed version to files of rows: read in parts, answered by Beam, written in order."""
