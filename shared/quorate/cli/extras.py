"""Which of Quorate's optional packages are here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from quorate.errors import Unavailable

MODULES: Mapping[str, tuple[str, ...]] = {
    "worker": ("onnxruntime", "PIL", "tokenizers"),
    "coordinator": ("celery", "redis", "packaging", "psycopg"),
    "fit": ("sklearn", "scipy"),
    "tuner": ("lightgbm", "onnx", "onnxmltools", "onnxscript", "torch"),
}
"""What each extra brings, as the modules that are imported."""


def missing_modules(extra: str) -> tuple[str, ...]:
    """Name the modules of an extra that cannot be imported here."""
    return tuple(module for module in MODULES[extra] if find_spec(module) is None)


def require_platform() -> None:
    """Raise Unavailable, with the remedy, unless every process of the embedded platform can be started here."""
    missing = [module for extra in MODULES for module in missing_modules(extra)]
    if find_spec("services") is None:
        missing.append("services")
    if missing:
        raise Unavailable(
            f"the platform needs packages that are not installed: {', '.join(missing)}; pip install 'quorate[all]'"
        )
    from quorate.redis_server import redis_executable

    redis_executable()
