"""Fixtures of TensorFlow.js."""

from tests.tfjs.packages import tfjs_packages

__all__ = ("tfjs_packages",)
