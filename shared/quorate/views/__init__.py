"""Views: raw columns of items to a model's input, the same code in training and in serving.

A view is one module of this package with a `VIEW` in it, imported when it is first asked for,
so that a process which never decodes a picture needs no picture library.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any

from quorate.ensemble import Columns, InputBinding
from quorate.errors import InvalidInput
from quorate.views.base import Limits, Preprocessor, View

__all__ = ["VIEWS", "Limits", "Preprocessor", "View", "fit_preprocessor", "load_preprocessor", "view_inputs"]


class _Views(Mapping[str, View]):
    """Every view by name; a module is found when it is asked for, not when the package is imported."""

    def __getitem__(self, name: str) -> View:
        if name not in tuple(self):
            raise KeyError(name)
        module = importlib.import_module(f"{__name__}.{name}")
        view: View = module.VIEW
        return view

    def __iter__(self) -> Iterator[str]:
        names = (module.name for module in pkgutil.iter_modules(__path__))
        return iter(sorted(name for name in names if name != "base" and not name.startswith("_")))

    def __len__(self) -> int:
        return len(tuple(iter(self)))


VIEWS: Mapping[str, View] = _Views()


def fit_preprocessor(view: str, columns: Columns, options: Mapping[str, Any] | None = None) -> Preprocessor:
    """Learn how the view's raw columns become a model's input, from training rows."""
    return _view(view).fit(columns, options or {})


def load_preprocessor(
    view: str, parameters: Mapping[str, Any], assets: Mapping[str, bytes] | None = None, limits: Limits | None = None
) -> Preprocessor:
    """Rebuild a preprocessor from what `parameters()` and `assets()` gave, or from a user's own parameters."""
    return _view(view).load(parameters, assets or {}, limits or Limits())


def view_inputs(view: str, parameters: Mapping[str, Any]) -> tuple[InputBinding, ...]:
    """The tensors that a worker of this view takes."""
    return _view(view).inputs(parameters)


def _view(name: str) -> View:
    try:
        return VIEWS[name]
    except KeyError:
        raise InvalidInput(f"there is no view {name!r}; use one of {', '.join(VIEWS)}") from None
    except ModuleNotFoundError as error:
        raise InvalidInput(f"the view {name!r} needs {error.name}; pip install 'quorate[worker]'") from error
