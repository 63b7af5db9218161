"""`quorate.v1.Fits`: training members or fitting a combiner. Starting one writes SQL and rings for the tuner pool."""

# The generated base class names the methods and what they are given.
# ruff: noqa: ARG002, N802

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

from quorate.db import FitStore, NewFit, StoredFit
from quorate.errors import InvalidInput
from quorate.fitting.options import parse_fit_options
from quorate.rpc.quorate.v1 import registry_pb2 as pb
from quorate.rpc.quorate.v1 import registry_pb2_grpc as rpc
from services.coordinator.jobs.planner import check_input
from services.coordinator.queue.answers import Resolve
from services.coordinator.queue.celery_app import FITS_TASK
from services.coordinator.queue.doorbell import Doorbell
from services.coordinator.queue.threads import Threads
from services.coordinator.queue.watching import Watches

KINDS = ("table", "ensemble")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class FitsServicer(rpc.FitsServicer):
    """Fits as clients see them; the tuner pool claims and runs them."""

    def __init__(
        self, store: FitStore, resolve: Resolve, doorbell: Doorbell, watches: Watches, threads: Threads
    ) -> None:
        self._store, self._resolve = store, resolve
        self._doorbell, self._watches, self._threads = doorbell, watches, threads

    async def Start(self, request: pb.StartFitRequest, context: Any) -> pb.Fit:
        fit = new_fit(request, self._resolve)
        await self._threads.run(check_input, fit.dataset_url)
        stored = await self._threads.run(self._store.create, fit)
        self._doorbell.ring(FITS_TASK)
        return fit_message(stored)

    async def Get(self, request: pb.FitRef, context: Any) -> pb.Fit:
        return fit_message(await self._threads.run(self._store.get, request.fit_id))

    async def Watch(self, request: pb.FitRef, context: Any) -> AsyncIterator[pb.Fit]:
        async def read() -> StoredFit:
            return await self._threads.run(self._store.get, request.fit_id)

        async for fit in self._watches.follow(read, lambda fit: fit.ended):
            yield fit_message(fit)


def new_fit(request: pb.StartFitRequest, resolve: Resolve) -> NewFit:
    """Check a request and return the fit to keep; NotFound for a live ensemble that there is not."""
    if request.kind not in KINDS:
        raise InvalidInput(f"kind is {request.kind!r}; give one of {', '.join(KINDS)}")
    if not NAME.fullmatch(request.name):
        raise InvalidInput(
            f"name is {request.name[:200]!r}; an ensemble's name starts with a letter or digit and goes on with these, "
            "dots, dashes and underscores, up to 100 characters"
        )
    options = parse_fit_options(request.kind, request.options_json)
    if request.kind == "ensemble":
        resolve(request.name, options.version)
    return NewFit(
        request.kind, request.name, request.dataset_url, options.model_dump(mode="json", exclude_defaults=True)
    )


def fit_message(fit: StoredFit) -> pb.Fit:
    return pb.Fit(
        fit_id=fit.id,
        kind=fit.kind,
        name=fit.name,
        state=fit.state,
        error=fit.error,
        step=fit.step,
        progress=fit.progress,
        result_json=json.dumps(fit.result) if fit.result is not None else "",
    )
