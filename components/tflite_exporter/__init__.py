"""Makes TFLite models of a blessed SavedModel, and holds each to the answers of the model that was trained."""
