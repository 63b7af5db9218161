"""One digit, asked by each way in."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from quorate.client import Client, Prediction
from quorate.demo.platform import kill_worker
from quorate.oip.messages import infer_request, read_outputs
from quorate.rpc.inference import grpc_service_pb2_grpc as oip
from quorate.tensors import datatype_of


@dataclass(frozen=True)
class Item:
    """One row of the test part, split into its views, and the digit it shows."""

    text: str
    image: bytes
    columns: Mapping[str, float]
    digit: str


@dataclass(frozen=True)
class Reply:
    """What one way in answered."""

    way: str
    label: str
    answered: tuple[str, ...]
    missing: tuple[str, ...]
    failed: tuple[str, ...]
    latency_ms: float
    expected_accuracy: float | None


@dataclass(frozen=True)
class Asker:
    """Asks one ensemble version about one item."""

    client: Client
    home: Path
    ensemble: str
    version: int
    item: Item

    def by_client(self) -> Reply:
        """Through `quorate.client`, with every view."""
        return _reply("python client", self._predict())

    def by_oip(self) -> Reply:
        """Through the Open Inference Protocol alone, as any of its clients does."""
        columns = {"text": _bytes(self.item.text), "image": _bytes(self.item.image)}
        columns |= {name: np.array([value]) for name, value in self.item.columns.items()}
        tensors = [(name, datatype_of(array), array) for name, array in columns.items()]
        request = infer_request(self.ensemble, str(self.version), tensors)
        with grpc.insecure_channel(self.client.gateway) as channel:
            stub = oip.GRPCInferenceServiceStub(channel)  # type: ignore[no-untyped-call]
            grpc.channel_ready_future(channel).result(timeout=10)
            started = time.perf_counter()
            response = stub.ModelInfer(request, timeout=10)
            latency_seconds = time.perf_counter() - started
        told = response.parameters
        return Reply(
            way="raw OIP",
            label=read_outputs(response)["label"][0].decode(),
            answered=_names(told["quorate.answered"].string_param),
            missing=_names(told["quorate.missing"].string_param),
            failed=_names(told["quorate.failed"].string_param),
            latency_ms=latency_seconds * 1e3,
            expected_accuracy=_accuracy(json.loads(told["quorate.expected_quality"].string_param or "{}")),
        )

    def by_queue(self) -> Reply:
        """Through Redis, Celery and SQL: submitted, then awaited."""
        started = time.perf_counter()
        request_id = self.client.submit(self.ensemble, version=self.version, **self._views())
        answer = self.client.await_(request_id, timeout=30)
        return _reply("queue", answer, time.perf_counter() - started)

    def without_image(self) -> Reply:
        """With the picture left out."""
        return _reply("no image", self._predict(image=None))

    def with_worker_killed(self, member: str) -> Reply:
        """With every view, and one member's worker just killed."""
        kill_worker(self.home, member)
        return _reply("worker killed", self._predict())

    def _predict(self, **changes: Any) -> Prediction:
        return self.client.predict(self.ensemble, version=self.version, timeout=10, **(self._views() | changes))

    def _views(self) -> dict[str, Any]:
        return {"text": self.item.text, "image": self.item.image, "columns": self.item.columns}


def _reply(way: str, answer: Prediction, seconds: float | None = None) -> Reply:
    quality = answer.expected_quality
    return Reply(
        way=way,
        label=answer.label,
        answered=answer.answered,
        missing=answer.missing,
        failed=answer.failed + answer.late,
        latency_ms=(answer.latency_seconds if seconds is None else seconds) * 1e3,
        expected_accuracy=_accuracy({"metric": quality.metric, "value": quality.value}) if quality else None,
    )


def _accuracy(quality: Mapping[str, Any]) -> float | None:
    return float(quality["value"]) if quality.get("metric") == "accuracy" else None


def _names(joined: str) -> tuple[str, ...]:
    return tuple(name for name in joined.split(",") if name)


def _bytes(value: str | bytes) -> np.ndarray[Any, Any]:
    array = np.empty(1, dtype=object)
    array[0] = value.encode() if isinstance(value, str) else value
    return array
