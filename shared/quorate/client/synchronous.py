"""The client that blocks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from quorate.client.answers import Prediction, prediction_of
from quorate.client.columns import Image, Table, Text
from quorate.client.connection import CHANNEL_OPTIONS, gateway_address
from quorate.client.listings import (
    EnsembleInfo,
    FitProgress,
    JobProgress,
    MemberInfo,
    ensemble_info,
    fit_progress,
    job_progress,
    member_info,
)
from quorate.client.requests import job_request, outputs_with_members, predict_request, submit_request
from quorate.client.scoring import (
    Download,
    OnFit,
    OnJob,
    ScoreResult,
    Source,
    check_ended,
    check_uploaded,
    digests_of,
    is_url,
    read_manifest,
    ready_to_send,
    require_file,
    upload_messages,
)
from quorate.client.watching import Patience, T
from quorate.errors import TryAgain
from quorate.rpc.quorate.v1 import (
    answers_pb2,
    answers_pb2_grpc,
    jobs_pb2,
    jobs_pb2_grpc,
    registry_pb2,
    registry_pb2_grpc,
)
from quorate.statuses import error_from_rpc


class Client:
    """Asks one platform, from any thread. Every method raises QuorateError's subclasses, never gRPC's.

    `gateway` is HOST:PORT; empty: QUORATE_GATEWAY, else the embedded platform of this home.
    """

    def __init__(self, gateway: str = "", *, home: Path | None = None) -> None:
        self.gateway = gateway_address(gateway, home)
        self._channel = grpc.insecure_channel(self.gateway, options=CHANNEL_OPTIONS)
        self._answers = answers_pb2_grpc.AnswersStub(self._channel)  # type: ignore[no-untyped-call]
        self._jobs = jobs_pb2_grpc.JobsStub(self._channel)  # type: ignore[no-untyped-call]
        self._files = jobs_pb2_grpc.FilesStub(self._channel)  # type: ignore[no-untyped-call]
        self._registry = registry_pb2_grpc.RegistryStub(self._channel)  # type: ignore[no-untyped-call]
        self._fits = registry_pb2_grpc.FitsStub(self._channel)  # type: ignore[no-untyped-call]

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._channel.close()

    def predict(
        self,
        ensemble: str,
        *,
        version: str | int = "",
        text: Text = None,
        image: Image = None,
        columns: Table = None,
        members: bool = False,
        timeout: float | None = None,
    ) -> Prediction:
        """Answer for one item, or for each of a batch, within `timeout` seconds (else the ensemble's own deadline).

        A view that is None is missing, which is no error: the answer says who was not asked. `version` is a number
        or an alias, `live` if empty; `members=True` adds what each member said.
        """
        outputs = outputs_with_members(ensemble, self.ensembles()) if members else ()
        request = predict_request(ensemble, version, text, image, columns, outputs)
        started = time.perf_counter()
        with translated():
            answer = self._answers.Predict(request, timeout=timeout)
        return prediction_of(answer, time.perf_counter() - started)

    def submit(
        self,
        ensemble: str,
        *,
        version: str | int = "",
        text: Text = None,
        image: Image = None,
        columns: Table = None,
        idempotency_key: str = "",
        priority: int = 0,
        time_to_live_seconds: float = 0,
    ) -> str:
        """Keep the request in the platform's queue and return its id; the same key gives the same id."""
        request = predict_request(ensemble, version, text, image, columns)
        message = submit_request(request, idempotency_key, priority, time_to_live_seconds)
        with translated():
            return str(self._answers.Submit(message).request_id)

    def await_(self, request_id: str, *, timeout: float | None = None) -> Prediction:
        """Wait for a submitted request's answer; DeadlineExceeded after `timeout` seconds, then await it again."""
        started = time.perf_counter()
        with translated():
            answer = self._answers.Await(answers_pb2.AwaitRequest(request_id=request_id), timeout=timeout)
        return prediction_of(answer, time.perf_counter() - started)

    def score(
        self,
        ensemble: str,
        source: Source,
        out: Path | str | None = None,
        *,
        progress: OnJob | None = None,
        **options: Any,
    ) -> ScoreResult:
        """Score every row of a file through the queue, each exactly once; download the parts to the folder `out`.

        `source` is a local CSV, JSONL or Parquet file, or a URL that the platform reads. Options: version,
        output_url, chunk_rows, allow_degraded, columns, idempotency_key. `progress` is called with each JobProgress.
        """
        job = self.create_job(ensemble, source, **options)
        ended = self.watch_job(job.id, progress)
        check_ended("job", ended)
        return self.fetch(ended, Path(out) if out is not None else None)

    def fit(
        self, table: Source, name: str, options: Mapping[str, Any], *, progress: OnFit | None = None
    ) -> dict[str, Any]:
        """Train an ensemble's members on a table with the platform's tuner; return the result with all metrics.

        `options` are FitOptions as JSON: `label`, `text`, `image`, `numeric`, ...
        """
        return self._fit("table", table, name, options, progress)

    def fit_ensemble(
        self, name: str, labelled: Source, options: Mapping[str, Any] | None = None, *, progress: OnFit | None = None
    ) -> dict[str, Any]:
        """Fit a registered ensemble's combiner on a labelled table, asking its live members; return the new version."""
        return self._fit("ensemble", labelled, name, options or {}, progress)

    def ensembles(self) -> tuple[EnsembleInfo, ...]:
        with translated():
            reply = self._registry.ListEnsembles(registry_pb2.ListEnsemblesRequest())
        return tuple(ensemble_info(message) for message in reply.ensembles)

    def members(self) -> tuple[MemberInfo, ...]:
        with translated():
            reply = self._registry.ListMembers(registry_pb2.ListMembersRequest())
        return tuple(member_info(message) for message in reply.members)

    def upload(self, source: Source) -> str:
        """Copy a local file into the platform's store and return its URL there."""
        path = require_file(source)
        with translated():
            reply = self._files.Upload(upload_messages(path))
        check_uploaded(path, reply)
        return str(reply.url)

    def create_job(self, ensemble: str, source: Source, **options: Any) -> JobProgress:
        """Start scoring a file, uploading it first where it is local; options as in `score`."""
        with ready_to_send(source) as sent:
            url = str(source) if sent is None else self.upload(sent)
        with translated():
            return job_progress(self._jobs.Create(job_request(ensemble, url, options)))

    def job(self, job_id: str) -> JobProgress:
        with translated():
            return job_progress(self._jobs.Get(jobs_pb2.JobRef(job_id=job_id)))

    def jobs(self) -> tuple[JobProgress, ...]:
        with translated():
            reply = self._jobs.List(jobs_pb2.ListJobsRequest())
        return tuple(job_progress(job) for job in reply.jobs)

    def cancel_job(self, job_id: str) -> JobProgress:
        with translated():
            return job_progress(self._jobs.Cancel(jobs_pb2.JobRef(job_id=job_id)))

    def watch_job(self, job_id: str, progress: OnJob | None = None) -> JobProgress:
        """Wait until a job has ended and return it; a gateway that goes away meanwhile is waited for."""
        reference = jobs_pb2.JobRef(job_id=job_id)
        return self._watch(lambda: map(job_progress, self._jobs.Watch(reference)), progress)

    def fetch(self, job: JobProgress, out: Path | None) -> ScoreResult:
        """Read a finished job's manifest and, where `out` is a folder, download its files there."""
        url, *others = job.files
        manifest = read_manifest(b"".join(self._pieces(url)))
        if out is None:
            return ScoreResult(job, manifest, ())
        digests = digests_of(manifest)
        return ScoreResult(job, manifest, tuple(self._download(file, out, digests) for file in (*others, url)))

    def _download(self, url: str, out: Path, digests: Mapping[str, str]) -> Path:
        download = Download(out, url)
        for data in self._pieces(url):
            download.write(data)
        return download.finish(digests.get(download.path.name, ""))

    def _pieces(self, url: str) -> Iterator[bytes]:
        with translated():
            for piece in self._files.Download(jobs_pb2.DownloadRequest(url=url)):
                yield piece.data

    def _fit(
        self, kind: str, table: Source, name: str, options: Mapping[str, Any], progress: OnFit | None
    ) -> dict[str, Any]:
        url = str(table) if is_url(table) else self.upload(table)
        request = registry_pb2.StartFitRequest(
            kind=kind, name=name, dataset_url=url, options_json=json.dumps(dict(options))
        )
        with translated():
            reference = registry_pb2.FitRef(fit_id=self._fits.Start(request).fit_id)
        ended: FitProgress = self._watch(lambda: map(fit_progress, self._fits.Watch(reference)), progress)
        check_ended("fit", ended)
        return ended.result or {}

    def _watch(self, stream: Callable[[], Iterator[T]], progress: Callable[[T], None] | None) -> T:
        patience = Patience()
        while True:
            try:
                with translated():
                    for seen in stream():
                        patience.heard()
                        if progress is not None:
                            progress(seen)
                        if seen.ended:
                            return seen
            except TryAgain as error:
                patience.check(error)
            time.sleep(patience.pause_seconds())


@contextmanager
def translated() -> Iterator[None]:
    """Turn gRPC's errors into ours."""
    try:
        yield
    except grpc.RpcError as error:
        raise error_from_rpc(error) from error
