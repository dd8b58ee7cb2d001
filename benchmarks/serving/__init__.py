"""Requests per second and latencies: a model in process, the local server, KServe's and MLServer's Python servers."""
