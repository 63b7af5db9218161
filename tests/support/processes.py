"""Processes of a test's own that start quickly, and that never inherit its threads or connections."""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import ForkServerContext


def process_context() -> ForkServerContext:
    """Where to get Process, Barrier and Queue from: children fork off a clean server that has the imports done."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["quorate.db", "psycopg"])
    return context
