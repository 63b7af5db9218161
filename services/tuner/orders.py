"""A stored fit as the work that it is: training on a table, or fitting a live ensemble's combiner."""

from __future__ import annotations

from typing import Any

from quorate.db import FitStore
from quorate.errors import InvalidInput
from quorate.fitting.options import parse_fit_options
from quorate.settings import Settings
from services.tuner.ensemble_fit import fit_ensemble
from services.tuner.pipeline import Order, fit_table
from services.tuner.platform import open_platform
from services.tuner.progress import Progress

KINDS = {"table": fit_table, "ensemble": fit_ensemble}


def run_order(settings: Settings, fit_id: str, progress: Progress) -> dict[str, Any]:
    """Do what the fit asks on a platform that serves, and return its result."""
    platform = open_platform(settings, serves=True)
    fit = FitStore(platform.database).get(fit_id)
    if fit.kind not in KINDS:
        raise InvalidInput(f"fit {fit.id} is of kind {fit.kind!r}; the tuner knows {', '.join(KINDS)}")
    order = Order(fit.id, fit.name, fit.dataset_url, parse_fit_options(fit.kind, fit.options))
    return KINDS[fit.kind](order, platform, progress)
