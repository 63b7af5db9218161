"""The client for asyncio: `Client`'s methods, awaited."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
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
from quorate.client.synchronous import translated
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


class AsyncClient:
    """Asks one platform from one event loop; make it there. Arguments and errors are `Client`'s."""

    def __init__(self, gateway: str = "", *, home: Path | None = None) -> None:
        self.gateway = gateway_address(gateway, home)
        self._channel = grpc.aio.insecure_channel(self.gateway, options=CHANNEL_OPTIONS)
        self._answers = answers_pb2_grpc.AnswersStub(self._channel)  # type: ignore[no-untyped-call]
        self._jobs = jobs_pb2_grpc.JobsStub(self._channel)  # type: ignore[no-untyped-call]
        self._files = jobs_pb2_grpc.FilesStub(self._channel)  # type: ignore[no-untyped-call]
        self._registry = registry_pb2_grpc.RegistryStub(self._channel)  # type: ignore[no-untyped-call]
        self._fits = registry_pb2_grpc.FitsStub(self._channel)  # type: ignore[no-untyped-call]

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._channel.close(None)

    async def predict(
        self,
        ensemble: str,
        *,
        version: str | int = "",
        text: Text = None,
        image: Image = None,
        columns: Table = None,
        members: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - gRPC's deadline, which travels with the call
    ) -> Prediction:
        outputs = outputs_with_members(ensemble, await self.ensembles()) if members else ()
        request = predict_request(ensemble, version, text, image, columns, outputs)
        started = time.perf_counter()
        with translated():
            answer = await self._answers.Predict(request, timeout=timeout)
        return prediction_of(answer, time.perf_counter() - started)

    async def submit(
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
        request = predict_request(ensemble, version, text, image, columns)
        message = submit_request(request, idempotency_key, priority, time_to_live_seconds)
        with translated():
            return str((await self._answers.Submit(message)).request_id)

    async def await_(
        self,
        request_id: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Prediction:
        started = time.perf_counter()
        with translated():
            answer = await self._answers.Await(answers_pb2.AwaitRequest(request_id=request_id), timeout=timeout)
        return prediction_of(answer, time.perf_counter() - started)

    async def score(
        self,
        ensemble: str,
        source: Source,
        out: Path | str | None = None,
        *,
        progress: OnJob | None = None,
        **options: Any,
    ) -> ScoreResult:
        job = await self.create_job(ensemble, source, **options)
        ended = await self.watch_job(job.id, progress)
        check_ended("job", ended)
        return await self.fetch(ended, Path(out) if out is not None else None)

    async def fit(
        self, table: Source, name: str, options: Mapping[str, Any], *, progress: OnFit | None = None
    ) -> dict[str, Any]:
        return await self._fit("table", table, name, options, progress)

    async def fit_ensemble(
        self, name: str, labelled: Source, options: Mapping[str, Any] | None = None, *, progress: OnFit | None = None
    ) -> dict[str, Any]:
        return await self._fit("ensemble", labelled, name, options or {}, progress)

    async def ensembles(self) -> tuple[EnsembleInfo, ...]:
        with translated():
            reply = await self._registry.ListEnsembles(registry_pb2.ListEnsemblesRequest())
        return tuple(ensemble_info(message) for message in reply.ensembles)

    async def members(self) -> tuple[MemberInfo, ...]:
        with translated():
            reply = await self._registry.ListMembers(registry_pb2.ListMembersRequest())
        return tuple(member_info(message) for message in reply.members)

    async def upload(self, source: Source) -> str:
        path = require_file(source)
        with translated():
            reply = await self._files.Upload(_off_loop(upload_messages(path)))
        check_uploaded(path, reply)
        return str(reply.url)

    async def create_job(self, ensemble: str, source: Source, **options: Any) -> JobProgress:
        with ExitStack() as held:
            sent = await asyncio.to_thread(held.enter_context, ready_to_send(source))
            url = str(source) if sent is None else await self.upload(sent)
        with translated():
            return job_progress(await self._jobs.Create(job_request(ensemble, url, options)))

    async def job(self, job_id: str) -> JobProgress:
        with translated():
            return job_progress(await self._jobs.Get(jobs_pb2.JobRef(job_id=job_id)))

    async def jobs(self) -> tuple[JobProgress, ...]:
        with translated():
            reply = await self._jobs.List(jobs_pb2.ListJobsRequest())
        return tuple(job_progress(job) for job in reply.jobs)

    async def cancel_job(self, job_id: str) -> JobProgress:
        with translated():
            return job_progress(await self._jobs.Cancel(jobs_pb2.JobRef(job_id=job_id)))

    async def watch_job(self, job_id: str, progress: OnJob | None = None) -> JobProgress:
        reference = jobs_pb2.JobRef(job_id=job_id)
        return await self._watch(lambda: self._jobs.Watch(reference), job_progress, progress)

    async def fetch(self, job: JobProgress, out: Path | None) -> ScoreResult:
        url, *others = job.files
        manifest = read_manifest(b"".join([piece async for piece in self._pieces(url)]))
        if out is None:
            return ScoreResult(job, manifest, ())
        digests = digests_of(manifest)
        return ScoreResult(job, manifest, tuple([await self._download(file, out, digests) for file in (*others, url)]))

    async def _download(self, url: str, out: Path, digests: Mapping[str, str]) -> Path:
        download = Download(out, url)
        async for data in self._pieces(url):
            await asyncio.to_thread(download.write, data)
        return download.finish(digests.get(download.path.name, ""))

    async def _pieces(self, url: str) -> AsyncIterator[bytes]:
        with translated():
            async for piece in self._files.Download(jobs_pb2.DownloadRequest(url=url)):
                yield piece.data

    async def _fit(
        self, kind: str, table: Source, name: str, options: Mapping[str, Any], progress: OnFit | None
    ) -> dict[str, Any]:
        url = str(table) if is_url(table) else await self.upload(table)
        request = registry_pb2.StartFitRequest(
            kind=kind, name=name, dataset_url=url, options_json=json.dumps(dict(options))
        )
        with translated():
            reference = registry_pb2.FitRef(fit_id=(await self._fits.Start(request)).fit_id)
        ended: FitProgress = await self._watch(lambda: self._fits.Watch(reference), fit_progress, progress)
        check_ended("fit", ended)
        return ended.result or {}

    async def _watch(
        self, call: Callable[[], Any], read: Callable[[Any], T], progress: Callable[[T], None] | None
    ) -> T:
        patience = Patience()
        while True:
            try:
                with translated():
                    async for message in call():
                        patience.heard()
                        seen = read(message)
                        if progress is not None:
                            progress(seen)
                        if seen.ended:
                            return seen
            except TryAgain as error:
                patience.check(error)
            await asyncio.sleep(patience.pause_seconds())


async def _off_loop(messages: Iterator[jobs_pb2.UploadRequest]) -> AsyncIterator[jobs_pb2.UploadRequest]:
    """Yield what an iterator that reads a file yields, without holding up the loop."""
    while (message := await asyncio.to_thread(next, messages, None)) is not None:
        yield message
