"""Deploys the version that was pushed to an endpoint of Vertex AI."""
