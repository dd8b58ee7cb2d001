"""How each model is assembled: one module per model, shared stages in `pipelines.common`."""
