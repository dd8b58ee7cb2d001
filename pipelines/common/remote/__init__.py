"""The same pipelines on Kubeflow Pipelines and Vertex AI."""
