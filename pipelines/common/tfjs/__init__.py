"""Writes a pushed version as a TensorFlow.js graph model (docs/web.md)."""
