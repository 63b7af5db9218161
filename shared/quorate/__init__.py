"""Quorate: one answer from many models, on time, with its quality stated."""

from importlib.metadata import version

__version__ = version("quorate")
