"""The `quorate` command."""

from quorate.cli.main import main

__all__ = ["main"]
