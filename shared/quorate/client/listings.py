"""What the platform says of itself: ensembles, members, jobs and fits, as frozen values."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from quorate.rpc.quorate.v1 import jobs_pb2, registry_pb2

ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class EnsembleInfo:
    """One version of an ensemble; `ready` once every member can be asked."""

    name: str
    version: int
    aliases: tuple[str, ...]
    task: str
    members: tuple[str, ...]
    combiner: str
    labels: tuple[str, ...]
    ready: bool


@dataclass(frozen=True)
class MemberInfo:
    """One version of a member, and where it answers."""

    name: str
    version: int
    task: str
    views: tuple[str, ...]
    labels: tuple[str, ...]
    source: str
    addresses: tuple[str, ...]
    ready: bool


@dataclass(frozen=True)
class JobProgress:
    """How far a scoring job has come. `state`: planning, running, finalising, done, failed or cancelled."""

    id: str
    ensemble: str
    version: int
    state: str
    error: str
    rows: int
    rows_done: int
    rows_rejected: int
    chunks: int
    chunks_done: int
    rows_per_second: float
    eta_seconds: float
    seconds: float
    input_url: str
    output_url: str
    files: tuple[str, ...]

    @property
    def ended(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True)
class FitProgress:
    """How far a fit has come; `result` holds the ensemble, its members and their metrics once it is done."""

    id: str
    kind: str
    name: str
    state: str
    error: str
    step: str
    progress: float
    result: dict[str, Any] | None

    @property
    def ended(self) -> bool:
        return self.state in ENDED


def ensemble_info(message: registry_pb2.Ensemble) -> EnsembleInfo:
    return EnsembleInfo(
        message.name,
        message.version,
        tuple(message.aliases),
        message.task,
        tuple(message.members),
        message.combiner,
        tuple(message.labels),
        message.ready,
    )


def member_info(message: registry_pb2.Member) -> MemberInfo:
    return MemberInfo(
        message.name,
        message.version,
        message.task,
        tuple(message.views),
        tuple(message.labels),
        message.source,
        tuple(message.addresses),
        message.ready,
    )


def job_progress(job: jobs_pb2.Job) -> JobProgress:
    return JobProgress(
        id=job.job_id,
        ensemble=job.ensemble,
        version=job.version,
        state=job.state,
        error=_by_name(job.error),
        rows=job.rows,
        rows_done=job.rows_done,
        rows_rejected=job.rows_rejected,
        chunks=job.chunks,
        chunks_done=job.chunks_done,
        rows_per_second=job.rows_per_second,
        eta_seconds=job.eta_seconds,
        seconds=job.seconds,
        input_url=job.input_url,
        output_url=job.output_url,
        files=tuple(job.files),
    )


def fit_progress(fit: registry_pb2.Fit) -> FitProgress:
    result = json.loads(fit.result_json) if fit.result_json else None
    return FitProgress(fit.fit_id, fit.kind, fit.name, fit.state, _by_name(fit.error), fit.step, fit.progress, result)


def _by_name(message: str) -> str:
    """Call an uploaded file by the name that it was sent under, not by where the platform put it."""
    return re.sub(r"[a-z0-9]+://\S*/uploads/[0-9a-f]{32}/", "", message)
