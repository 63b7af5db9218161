"""What fills the inputs of a user's ONNX model: one function a view, from the model's own description."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quorate.errors import InvalidInput
from quorate.serving.backends.base import TensorSpec
from quorate.serving.feeds import ZEROS

CHANNELS = (1, 3)
PADDINGS = ("[PAD]", "<pad>", "<PAD>")


@dataclass(frozen=True)
class Inputs:
    """A view's preprocessing parameters (None: the model takes the raw column), and the model's input by source."""

    parameters: Mapping[str, Any] | None
    model_inputs: Mapping[str, str]
    assets: Mapping[str, bytes] = field(default_factory=dict)


def tabular_inputs(specs: Sequence[TensorSpec], columns: Sequence[str]) -> Inputs:
    """One matrix [N, F] filled by F columns, or one input a column, numbers or strings."""
    if len(specs) == 1 and len(specs[0].shape) == 2 and _kind(specs[0]) == "f" and specs[0].shape[1] != 1:
        return _matrix(specs[0], columns)
    names = _column_names(specs, columns)
    described = [{"name": name, **_column_kind(spec)} for name, spec in zip(names, specs, strict=True)]
    sources = {name: spec.name for name, spec in zip(names, specs, strict=True)}
    return Inputs({"columns": described}, sources)


def image_inputs(specs: Sequence[TensorSpec], size: tuple[int, int] | None) -> Inputs:
    """One input [N, C, H, W] or [N, H, W, C] of floats (pixels from 0 to 1) or uint8 (0 to 255)."""
    if len(specs) != 1 or len(specs[0].shape) != 4 or _kind(specs[0]) not in ("f", "u"):
        raise InvalidInput(f"an image model takes one input [N,C,H,W] or [N,H,W,C]; this one takes {_listed(specs)}")
    _, first, second, third = specs[0].shape
    if first in CHANNELS:
        layout, channels, (height, width) = "nchw", first, (second, third)
    elif third in CHANNELS:
        layout, channels, (height, width) = "nhwc", third, (first, second)
    else:
        raise InvalidInput(f"input {specs[0]} has no dimension of 1 or 3 channels; export it with fixed channels")
    if size is None:
        if height is None or width is None:
            raise InvalidInput(f"input {specs[0]} leaves the picture's size open; say which one it was trained on")
        size = (height, width)
    scale = 1.0 if _kind(specs[0]) == "u" else 255.0
    parameters = {"size": list(size), "channels": channels, "layout": layout, "scale": scale}
    return Inputs(parameters, {"pixels": specs[0].name})


def text_inputs(specs: Sequence[TensorSpec], tokenizer: bytes | None) -> Inputs:
    """One input of strings, or token ids [N, L] with the mask and segment ids that transformers take beside them."""
    if len(specs) == 1 and _kind(specs[0]) == "O":
        return Inputs(None, {"text": specs[0].name})
    if any(_kind(spec) != "i" or len(spec.shape) != 2 for spec in specs):
        raise InvalidInput(f"a text model takes strings or token ids [N,L]; this one takes {_listed(specs)}")
    if tokenizer is None:
        raise InvalidInput(f"the model takes token ids ({_listed(specs)}); give its tokenizer.json as --tokenizer FILE")
    sources = {_token_source(spec, len(specs) == 1): spec for spec in specs}
    if len(sources) != len(specs) or "tokens" not in sources:
        raise InvalidInput(f"cannot tell tokens, mask and segments apart in {_listed(specs)}; name one input input_ids")
    length = sources["tokens"].shape[1]
    parameters = {"length": length, "pad": _padding_id(tokenizer), "mask": "mask" in sources}
    names = {source: spec.name for source, spec in sources.items()}
    return Inputs(parameters, names, {"tokenizer.json": tokenizer})


def _matrix(spec: TensorSpec, columns: Sequence[str]) -> Inputs:
    width = spec.shape[1]
    if not columns and width is None:
        raise InvalidInput(f"input {spec} leaves the number of columns open; name them: --columns a,b,c")
    names = list(columns) or [f"x{index}" for index in range(width or 0)]
    if width is not None and len(names) != width:
        raise InvalidInput(f"input {spec} takes {width} columns, and {len(names)} are named; name them in its order")
    return Inputs({"columns": [{"name": name} for name in names]}, {"features": spec.name})


def _column_names(specs: Sequence[TensorSpec], columns: Sequence[str]) -> list[str]:
    inputs = [spec.name for spec in specs]
    for spec in specs:
        if len(spec.shape) not in (1, 2) or (len(spec.shape) == 2 and spec.shape[1] not in (1, None)):
            raise InvalidInput(
                f"input {spec} is no column; a tabular model takes one float matrix [N,F], or one input [N] or [N,1] "
                f"a column; this one takes {_listed(specs)}"
            )
    if not columns or set(columns) == set(inputs):
        return inputs
    if len(columns) != len(specs):
        raise InvalidInput(f"the model takes {_listed(specs)}, and {len(columns)} columns are named; name one an input")
    return list(columns)


def _column_kind(spec: TensorSpec) -> dict[str, Any]:
    if _kind(spec) == "O":
        return {"kind": "categorical", "categories": []}  # the model has its own encoding of them
    if _kind(spec) in ("f", "i", "u", "b"):
        return {"kind": "numeric"}
    raise InvalidInput(f"input {spec} is no tensor of numbers or strings; export the model with tensors as inputs")


def _token_source(spec: TensorSpec, alone: bool) -> str:
    name = spec.name.lower()
    if "mask" in name:
        return "mask"
    if "type" in name or "segment" in name:
        return "tokens" + ZEROS
    return "tokens" if alone or "id" in name or "token" in name else name


def _padding_id(tokenizer: bytes) -> int:
    """The id that the tokenizer's file gives to padding; 0 where it says nothing."""
    try:
        described = json.loads(tokenizer)
        padding = described.get("padding")
        added = {token["content"]: int(token["id"]) for token in described.get("added_tokens") or ()}
        if padding:
            return int(padding["pad_id"])
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise InvalidInput(f"the tokenizer is no tokenizer.json of the tokenizers library: {error}") from error
    return next((added[name] for name in PADDINGS if name in added), 0)


def _kind(spec: TensorSpec) -> str:
    return spec.dtype.kind if spec.dtype is not None else ""


def _listed(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(map(str, specs))
