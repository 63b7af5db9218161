"""What the view `tabular` is told: its parameters and the options it is fitted with."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from quorate.views._cells import Strict


class NumericColumn(Strict):
    """A column of numbers, and how it is scaled; `fill` replaces what is missing, null leaves it NaN."""

    name: str
    kind: Literal["numeric"] = "numeric"
    mean: float = 0.0
    std: Annotated[float, Field(gt=0)] = 1.0
    fill: float | None = None
    indicator: bool = False


class CategoricalColumn(Strict):
    """A column of categories; any other value is unknown to the model."""

    name: str
    kind: Literal["categorical"]
    categories: tuple[str, ...]

    @field_validator("categories")
    @classmethod
    def _once(cls, categories: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(categories)) < len(categories):
            raise ValueError("a category is listed more than once")
        return categories


TableColumn = Annotated[NumericColumn | CategoricalColumn, Field(discriminator="kind")]


class Parameters(Strict):
    """What was fitted, or what a user says of his own model."""

    columns: Annotated[tuple[TableColumn, ...], Field(min_length=1)]
    encoding: Literal["codes", "onehot"] = "codes"

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Take `mean` and `std` as lists over the numeric columns, too: how users keep them."""
        given = dict(given)
        for field in ("mean", "std"):
            values = given.pop(field, None)
            if values is None:
                continue
            numeric = [column for column in given["columns"] if column.get("kind", "numeric") == "numeric"]
            if len(values) != len(numeric):
                raise ValueError(f"{field} has {len(values)} numbers for {len(numeric)} numeric columns")
            filled = {column["name"]: {**column, field: value} for column, value in zip(numeric, values, strict=True)}
            given["columns"] = [filled.get(column["name"], column) for column in given["columns"]]
        return given

    @model_validator(mode="after")
    def _named_once(self) -> Parameters:
        twice = [name for name, times in Counter(column.name for column in self.columns).items() if times > 1]
        if twice:
            raise ValueError(f"columns named more than once: {twice}")
        return self


class Options(Strict):
    """How to fit: see docs/views.md."""

    encoding: Literal["codes", "onehot"] = "codes"
    max_categories: Annotated[int, Field(ge=1, le=65_536)] = 255
    """The most frequent categories of a column that are kept."""
    missing: Literal["nan", "impute"] | None = None
    """Leave missing numbers NaN, or fill in the mean and mark them; not given: as the encoding's models need."""
    scale: bool | None = None
    """Standardise numbers; not given: for `onehot` alone."""

    @property
    def imputes(self) -> bool:
        return self.encoding == "onehot" if self.missing is None else self.missing == "impute"

    @property
    def scales(self) -> bool:
        return self.encoding == "onehot" if self.scale is None else self.scale
