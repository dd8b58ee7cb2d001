"""Blesses by hand a model that the Evaluator did not bless."""
