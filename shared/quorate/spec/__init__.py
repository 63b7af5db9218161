"""An ensemble as text: the JSON that is stored and sent, and the YAML that a user writes."""

from quorate.spec.build import build_ensemble
from quorate.spec.codec import ensemble_from_json, ensemble_to_json, member_from_json, member_to_json
from quorate.spec.schema import CombinerSpec, EnsembleSpec, MemberChoice, PolicySpec, parse_spec

__all__ = [
    "CombinerSpec",
    "EnsembleSpec",
    "MemberChoice",
    "PolicySpec",
    "build_ensemble",
    "ensemble_from_json",
    "ensemble_to_json",
    "member_from_json",
    "member_to_json",
    "parse_spec",
]
