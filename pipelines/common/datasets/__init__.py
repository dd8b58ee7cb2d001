"""The raw data that models learn from: a `DataSet` per module, shared by the models that learn from it."""
