"""Publishes a blessed model as the next version of what a TF Serving compatible server serves."""
