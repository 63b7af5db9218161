"""The requests that both clients send, made from what a caller gives."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from quorate.client.columns import Image, Table, Text, tensors_of
from quorate.client.listings import EnsembleInfo
from quorate.errors import NotFound
from quorate.rpc.quorate.v1 import answers_pb2, jobs_pb2

_OWN_OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "classification": ("probabilities", "label"),
    "multilabel": ("probabilities",),
    "regression": ("value",),
}


def predict_request(
    ensemble: str, version: str | int, text: Text, image: Image, columns: Table, outputs: Sequence[str] = ()
) -> answers_pb2.PredictRequest:
    inputs = tensors_of(text, image, columns)
    return answers_pb2.PredictRequest(ensemble=ensemble, version=str(version), inputs=inputs, outputs=outputs)


def submit_request(
    request: answers_pb2.PredictRequest, idempotency_key: str, priority: int, time_to_live_seconds: float
) -> answers_pb2.SubmitRequest:
    """Write the submission under the caller's key, or a new one, so that a call that gRPC repeats stays one request."""
    return answers_pb2.SubmitRequest(
        request=request,
        idempotency_key=idempotency_key or uuid.uuid4().hex,
        priority=priority,
        time_to_live_seconds=time_to_live_seconds,
    )


def job_request(ensemble: str, input_url: str, options: Mapping[str, Any]) -> jobs_pb2.CreateJobRequest:
    key = options.get("idempotency_key") or uuid.uuid4().hex
    fields = {**options, "version": str(options.get("version", "")), "idempotency_key": key}
    return jobs_pb2.CreateJobRequest(ensemble=ensemble, input_url=input_url, **fields)


def outputs_with_members(ensemble: str, known: Sequence[EnsembleInfo]) -> tuple[str, ...]:
    """Name the ensemble's own outputs and each member's; NotFound where the platform has no such ensemble."""
    task = next((info.task for info in known if info.name == ensemble), None)
    if task is None:
        names = ", ".join(sorted({info.name for info in known})) or "none"
        raise NotFound(f"there is no ensemble {ensemble!r}; registered: {names}")
    return (*_OWN_OUTPUTS.get(task, ()), "members.*")
