"""TFX's Tuner, with the record of a search beside its results."""
