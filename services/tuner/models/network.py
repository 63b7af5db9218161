"""A trained torch network as a model: its predictions, and its ONNX file."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from quorate.ensemble import FloatArray
from services.tuner.learner import Feed
from services.tuner.objective import Objective
from services.tuner.training import predict

DynamicAxes = Mapping[str, tuple[int, ...]]
"""For each input the axes whose length differs from call to call."""


class Answering(nn.Module):
    """The network with its objective's last step, so that the ONNX file answers in the member's own terms."""

    def __init__(self, network: nn.Module, objective: Objective, inputs: tuple[str, ...]) -> None:
        super().__init__()
        self.network = network
        self.objective = objective
        self.inputs = inputs

    def forward(self, *tensors: Tensor) -> Tensor:
        answer = self.objective.answer(self.network(**dict(zip(self.inputs, tensors, strict=True))))
        return answer if self.objective.output_name == "probabilities" else answer[:, 0]


@dataclass(frozen=True)
class NetworkModel:
    """A network after training; `example` is a small feed to trace it with, `axes` its inputs' dynamic axes."""

    network: nn.Module
    objective: Objective
    rounds: int
    example: Feed
    axes: DynamicAxes

    def predict(self, feed: Feed) -> FloatArray:
        return predict(self.network, self.objective, feed)

    def to_onnx(self) -> bytes:
        feed = {name: torch.from_numpy(array) for name, array in self.example.items()}
        module = Answering(self.network, self.objective, tuple(feed)).eval()
        return export(module, feed, self.axes, self.objective.output_name)


def export(module: nn.Module, feed: dict[str, Tensor], axes: DynamicAxes, output: str) -> bytes:
    """Export as a single ONNX file with the feed's names as its inputs and one output."""
    shapes = tuple(dict.fromkeys(axes[name], torch.export.Dim.DYNAMIC) for name in feed)
    with _quiet():
        program = torch.onnx.export(
            module,
            tuple(feed.values()),
            dynamo=True,
            input_names=list(feed),
            output_names=[output],
            dynamic_shapes=(shapes,),
            verbose=False,
            external_data=False,
        )
        assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # The exporter prints its steps, and calls what torch itself has deprecated.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore", FutureWarning)
        yield
