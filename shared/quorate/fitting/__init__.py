"""How a combiner is learned from out-of-fold outputs (extra `fit`: SciPy).

SciPy is imported on first use, so that who only validates `quorate.fitting.options` needs no such extra.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quorate.fitting.fit import fit_combiner
    from quorate.fitting.quality import expected_quality

__all__ = ["expected_quality", "fit_combiner"]


def __getattr__(name: str) -> Any:
    if name == "fit_combiner":
        from quorate.fitting.fit import fit_combiner

        return fit_combiner
    if name == "expected_quality":
        from quorate.fitting.quality import expected_quality

        return expected_quality
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
