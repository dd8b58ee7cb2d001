"""Holds a candidate, loaded by the C++ SavedModel loader that TF Serving uses, to the answers of the model that was trained."""
