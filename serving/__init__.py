"""A local server and client that speak the TF Serving API."""
