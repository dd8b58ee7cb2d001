"""Tests of pipelines that are compiled for Kubeflow Pipelines and Vertex AI."""
