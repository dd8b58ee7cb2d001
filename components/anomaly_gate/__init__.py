"""Stops a run whose data has anomalies."""
