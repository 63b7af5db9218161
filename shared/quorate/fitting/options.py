"""What a caller may say about a fit; validated by whoever takes the order, long before torch or SciPy is near."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from quorate.ensemble import Task
from quorate.errors import InvalidInput

Names = tuple[str, ...]


class FitOptions(BaseModel):
    """Columns by role, and how to train. A column that no role names gets one by its cells.

    For a live ensemble's combiner (`quorate ensembles fit`) only `label`, `combiner`, `seed` and `version` are read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = ""
    """The column to predict; a live ensemble that was fitted on a table knows it."""
    text: str | None = None
    image: str | None = None
    numeric: Names = ()
    categorical: Names = ()
    ignore: Names = ()
    task: Literal["classification", "regression"] | None = None
    """Not given: regression for a label of many different numbers."""
    folds: Annotated[int, Field(ge=2, le=10)] = 3
    test_share: Annotated[float, Field(ge=0.05, le=0.5)] = 0.2
    """Share of the rows that nothing is trained or chosen on, and every reported metric is measured on."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    max_epochs: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Most passes of a network over its rows; not given: each view's own number."""
    boosting_rounds: Annotated[int, Field(ge=1, le=10_000)] = 400
    """Most trees a class."""
    image_side: Annotated[int, Field(ge=4, le=512)] = 48
    """Longest side that pictures are resized to; smaller ones stay as they are."""
    augment_images: bool = True
    """Train on pictures that are moved a little at random."""
    max_tokens: Annotated[int, Field(ge=8, le=4096)] = 192
    """Tokens of a text that are read."""
    vocabulary: Annotated[int, Field(ge=300, le=100_000)] = 4000
    combiner: Literal["auto", "hard_vote", "soft_vote", "log_pool", "multi_view", "mean"] = "auto"
    """`auto`: whichever has the least cross-fitted log loss."""
    version: str = ""
    """Version or alias of the live ensemble whose combiner is fitted; empty: `live`."""

    @property
    def chosen_task(self) -> Task | None:
        """The task that was asked for."""
        return None if self.task is None else Task(self.task)


def parse_fit_options(kind: str, value: str | Mapping[str, Any]) -> FitOptions:
    """Validate JSON text or an object; InvalidInput names the option, what it is and what it may be."""
    try:
        options = FitOptions.model_validate(json.loads(value or "{}") if isinstance(value, str) else dict(value))
    except json.JSONDecodeError as error:
        raise InvalidInput(f"the fit's options are no JSON: {error}") from error
    except ValidationError as error:
        raise InvalidInput("; ".join(_line(one) for one in error.errors())) from error
    if kind == "table" and not options.label:
        raise InvalidInput("the fit does not say which column to predict; give `label`")
    return options


def _line(error: Any) -> str:
    where = ".".join(map(str, error["loc"])) or "options"
    if error["type"] == "extra_forbidden":
        return f"option {where!r} is not known; the options are {', '.join(FitOptions.model_fields)}"
    return f"option {where!r} is {error['input']!r:.100}: {error['msg']}"
