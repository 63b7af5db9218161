"""The YAML that a user writes to describe an ensemble; docs/ensemble-spec.md is its manual."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from quorate.ensemble import Policy, Task
from quorate.errors import InvalidSpec
from quorate.spec.messages import explain

MAX_SPEC_BYTES = 1 << 20
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class MemberChoice(_Section):
    """A registered member; its newest version where none is given."""

    name: Name
    version: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"name": given}
        if not isinstance(given, dict | MemberChoice):
            raise ValueError("give a member's name, or {name: ..., version: ...}")
        return given


class CombinerSpec(_Section):
    """Which combiner, and parameters of its own kind; they are checked when the ensemble is built."""

    kind: str
    parameters: dict[str, Any] = Field(default_factory=dict)


class PolicySpec(_Section):
    """When an answer is due and who must be in it; the meaning of each field is `quorate.ensemble.Policy`'s."""

    deadline_seconds: float = Policy.deadline_seconds
    min_members: int = Policy.min_members
    min_weight: float = Policy.min_weight
    weights: dict[str, Weight] = Field(default_factory=dict)
    required: Annotated[tuple[str, ...], Field(strict=False)] = ()

    def policy(self) -> Policy:
        """Give the policy of the domain; it refuses values out of range."""
        return Policy(self.deadline_seconds, self.min_members, self.min_weight, dict(self.weights), self.required)


class EnsembleSpec(_Section):
    """What a user asks for, before members are looked up; `build_ensemble` makes the ensemble of it."""

    name: Name
    members: Annotated[tuple[MemberChoice, ...], Field(strict=False, min_length=1)]
    task: Annotated[Task | None, Field(strict=False)] = None
    combiner: CombinerSpec | None = None
    policy: PolicySpec = Field(default_factory=PolicySpec)


_FIELDS = {
    "": tuple(EnsembleSpec.model_fields),
    "members": tuple(MemberChoice.model_fields),
    "combiner": tuple(CombinerSpec.model_fields),
    "policy": tuple(PolicySpec.model_fields),
}


def parse_spec(text: str) -> EnsembleSpec:
    """Read an ensemble specification from YAML (JSON is YAML, too).

    Raises InvalidSpec that names the line of a syntax error, or the path, value and expectation of each bad field.
    """
    data = _load(text)
    if not isinstance(data, dict):
        found = "empty" if data is None else f"a {type(data).__name__}, not a mapping"
        raise InvalidSpec(f"the specification is {found}; give the fields {', '.join(_FIELDS[''])}")
    try:
        return EnsembleSpec.model_validate(data)
    except ValidationError as error:
        raise InvalidSpec(explain("specification", error, _FIELDS)) from error


def _load(text: str) -> Any:
    if len(text.encode(errors="replace")) > MAX_SPEC_BYTES:
        raise InvalidSpec(f"the specification is {len(text)} characters long; at most {MAX_SPEC_BYTES} bytes are read")
    try:
        return yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        where = f" on line {error.problem_mark.line + 1}" if error.problem_mark is not None else ""
        raise InvalidSpec(f"the specification is no YAML: {error.problem}{where}") from error
    except yaml.YAMLError as error:
        raise InvalidSpec(f"the specification is no YAML: {error}") from error
    except (RecursionError, ValueError) as error:
        raise InvalidSpec(f"the specification cannot be read: {error}") from error


class _UniqueKeyLoader(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys without a word; a user meant one of them, so both are refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        if twice := [key for key, times in keys.items() if times > 1]:
            raise yaml.constructor.ConstructorError(None, None, f"field {twice[0]!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)
