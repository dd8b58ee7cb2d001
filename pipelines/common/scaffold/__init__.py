"""What `darsena new` does: looks at a user's data, and writes a model for it."""
