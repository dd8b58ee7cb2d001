"""Custom properties of a blessing that was given by hand; without what writes them (executor.py), which loads TFX."""

REASON, BY = "manual_reason", "manual_by"
