"""How members' outputs become one: build a combiner once a version, call it from any thread. Needs numpy alone.

Every file here may register kinds (`registry.combiner_kind`); a new kind is one new file.
"""

from importlib import import_module
from pkgutil import iter_modules

from quorate.combiners.base import TINY, Combiner, normalised, pattern_of, softmax
from quorate.combiners.registry import Panel, build_combiner, combiner_kind, kinds, panel_of

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = [
    "TINY",
    "Combiner",
    "Panel",
    "build_combiner",
    "combiner_kind",
    "kinds",
    "normalised",
    "panel_of",
    "pattern_of",
    "softmax",
]
