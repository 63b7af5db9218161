"""Model backends: one file a runtime, each imported when a member needs it."""

from __future__ import annotations

from pathlib import Path

from quorate.errors import InvalidInput
from quorate.serving.backends.base import Backend, TensorSpec

__all__ = ["Backend", "TensorSpec", "load_backend"]


def load_backend(name: str, model_path: Path) -> Backend:
    """Open a model file with the backend that its manifest names."""
    if name == "onnx":
        from quorate.serving.backends.onnx import OnnxBackend

        return OnnxBackend(model_path)
    raise InvalidInput(f"there is no model backend {name!r}; use onnx")
