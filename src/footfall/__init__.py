"""Footfall captures check-ins over HTTP, buffers them in a Redis Stream and counts each exactly once."""

from importlib.metadata import version

__version__ = version("footfall")
