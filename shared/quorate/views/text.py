"""The view `text`: strings become `tokens` int64 [N, L] by a byte-level BPE tokenizer; 0 is padding.

L is the longest row of the batch, at most `max_length`. A user's own `tokenizer.json` (the `tokenizers` library's
format) works the same, with the padding id, a fixed length or a `mask` feed where his model wants them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from quorate.ensemble import Columns, InputBinding
from quorate.errors import InvalidInput, InvalidSpec
from quorate.views._cells import Strict, column_of, parsed, strings_of
from quorate.views.base import Limits, Preprocessor, View

NAME = "text"
TOKENIZER = "tokenizer.json"
PADDING = "[PAD]"


class Parameters(Strict):
    """How tokens are laid out; the vocabulary is the asset `tokenizer.json`."""

    max_length: Annotated[int, Field(ge=1, le=65_536)] = 256
    length: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """Pad every row to this length, for models whose input has a fixed one; cuts at it, too."""
    pad: Annotated[int, Field(ge=0)] = 0
    mask: bool = False
    """Feed `mask` int64 [N, L] as well: 1 where there is a token."""


class Options(Strict):
    """How to fit: see docs/views.md."""

    vocabulary_size: Annotated[int, Field(ge=300, le=100_000)] = 8_000
    """At most so many tokens, the 256 bytes and the padding among them."""
    max_length: Annotated[int, Field(ge=1, le=65_536)] = 256
    min_frequency: Annotated[int, Field(ge=1)] = 2
    lowercase: bool = True


class TextPreprocessor:
    """Tokenises, cuts and pads, for any number of rows."""

    view = NAME
    inputs: tuple[InputBinding, ...] = (InputBinding(NAME, "BYTES", (NAME,)),)

    def __init__(self, parameters: Parameters, tokenizer: bytes, limits: Limits) -> None:
        self._parameters = parameters
        self._file = tokenizer
        self._limits = limits
        self._tokenizer = _tokenizer_of(tokenizer)
        self._tokenizer.enable_truncation(parameters.length or parameters.max_length)
        self._tokenizer.no_padding()

    @property
    def vocabulary_size(self) -> int:
        """The number of token ids, the padding's among them: the rows of an embedding."""
        size: int = self._tokenizer.get_vocab_size()
        return size

    def transform(self, columns: Columns) -> dict[str, NDArray[Any]]:
        """Return `tokens` int64 [N, L] (and `mask`, if the parameters ask); see `Preprocessor.transform`."""
        strings = strings_of(NAME, column_of(columns, NAME), self._limits.max_text_bytes)
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(strings)]
        lengths = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
        there = np.arange(self._length(lengths)) < lengths[:, None]
        tokens = np.full(there.shape, self._parameters.pad, dtype=np.int64)
        tokens[there] = np.fromiter((token for row in ids for token in row), np.int64, int(lengths.sum()))
        return {"tokens": tokens, "mask": there.astype(np.int64)} if self._parameters.mask else {"tokens": tokens}

    def parameters(self) -> Mapping[str, Any]:
        """The layout of tokens, as JSON."""
        return self._parameters.model_dump(mode="json")

    def assets(self) -> Mapping[str, bytes]:
        """The tokenizer's own file."""
        return {TOKENIZER: self._file}

    def _length(self, lengths: NDArray[np.int64]) -> int:
        """The length that all rows are padded to; at least 1, since models fail on an empty axis."""
        return self._parameters.length or max(1, int(lengths.max(initial=0)))


def fit(columns: Columns, options: Mapping[str, Any]) -> Preprocessor:
    """Learn a vocabulary from the training rows; the same rows give the same vocabulary."""
    chosen = parsed(Options, options, "options of the view 'text'")
    limits = Limits()
    strings = strings_of(NAME, column_of(columns, NAME), limits.max_text_bytes)
    if not any(text.strip() for text in strings):
        raise InvalidInput("the column 'text' is empty in every row; leave the view out, or name another column")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), *([normalizers.Lowercase()] if chosen.lowercase else [])]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(strings, _trainer(chosen), length=len(strings))
    return TextPreprocessor(Parameters(max_length=chosen.max_length), tokenizer.to_str().encode(), limits)


def load(parameters: Mapping[str, Any], assets: Mapping[str, bytes], limits: Limits) -> Preprocessor:
    """Rebuild the preprocessor from its parameters and `tokenizer.json`."""
    if TOKENIZER not in assets:
        raise InvalidSpec(
            f"the view 'text' needs the asset {TOKENIZER}; the assets given are: {', '.join(assets) or 'none'}"
        )
    return TextPreprocessor(parsed(Parameters, parameters, "parameters of the view 'text'"), assets[TOKENIZER], limits)


def _trainer(chosen: Options) -> trainers.BpeTrainer:
    return trainers.BpeTrainer(
        vocab_size=chosen.vocabulary_size,
        min_frequency=chosen.min_frequency,
        special_tokens=[PADDING],  # the first token, so its id is 0
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )


def _tokenizer_of(data: bytes) -> Tokenizer:
    try:
        return Tokenizer.from_str(data.decode())
    except Exception as error:  # the library raises bare Exception
        raise InvalidSpec(f"{TOKENIZER} is no file of the tokenizers library: {error}") from error


VIEW = View(NAME, fit, load, lambda _: TextPreprocessor.inputs)
