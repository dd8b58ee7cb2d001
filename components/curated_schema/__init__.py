"""Brings a reviewed schema into the pipeline."""
