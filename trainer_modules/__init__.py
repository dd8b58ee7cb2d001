"""What each model learns: one module per model, shared training code in `trainer_modules.common`."""
