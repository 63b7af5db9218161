"""The one engine behind both lanes: fan out, wait for a quorum by the deadline, combine, answer.

One asyncio loop owns it. Nothing here reads SQL or hops to a thread while a request is served.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from functools import partial

from quorate.ensemble import Answer, BoolArray, Columns, Ensemble, Member, MemberReport, Status
from quorate.errors import DeadlineExceeded, InvalidInput, InvalidRows, NotQuorate, QuorateError
from quorate.quality import expected_quality_of
from quorate.settings import Settings
from services.coordinator.engine.answer import aligned, named_outputs, wanted_outputs
from services.coordinator.engine.asking import asks_for
from services.coordinator.engine.batching import BatchLimits, Coalescer
from services.coordinator.engine.catalog import Catalog
from services.coordinator.engine.fanout import Ask, gather_answers, refusal, refused_rows, report_of
from services.coordinator.engine.fleet import Fleet
from services.coordinator.engine.inputs import InputTensor
from services.coordinator.engine.plans import Plan, plan_of
from services.coordinator.engine.raw import RawColumns
from services.coordinator.engine.reserve import Reserve


class Engine:
    """Answers for ensembles. Make it and use it inside one running event loop.

    `catalog` is read on every look at the members; pass `lambda: watcher.catalog`.
    """

    def __init__(self, settings: Settings, catalog: Callable[[], Catalog]) -> None:
        self._settings = settings
        self._catalog = catalog
        self._limits = BatchLimits(settings.max_batch_rows, settings.max_batch_bytes, settings.max_batch_wait_seconds)
        self._fleet = Fleet(settings, catalog)
        self._coalescers: dict[Member, Coalescer] = {}
        self._plans: dict[tuple[str, int], Plan] = {}
        self._reserve = Reserve()

    async def start(self) -> None:
        """Connect to the members and start watching who is ready."""
        await self._fleet.start()

    async def close(self) -> None:
        """End every call and close every channel; whoever still waits is told to ask again."""
        await asyncio.gather(*(coalescer.close() for coalescer in self._coalescers.values()))
        await self._fleet.close()

    def catalog_changed(self) -> None:
        """Look at the members' addresses now, and forget what no ensemble needs any more. Call it in the loop."""
        self._fleet.refresh()
        current = self._catalog()
        self._plans = {
            key: plan
            for key, plan in self._plans.items()
            if current.versions.get(key[0], {}).get(key[1]) == plan.ensemble
        }
        needed = {member for ensemble in current.ensembles() for member in ensemble.members}
        for member, coalescer in tuple(self._coalescers.items()):
            if member not in needed and coalescer.idle:
                del self._coalescers[member]

    def member_ready(self, member: Member) -> bool:
        """Whether some replica said within the last second that it answers for this version."""
        return self._fleet.of(member.name).is_ready(member)

    def is_ready(self, ensemble: Ensemble) -> bool:
        """Whether the members that are ready now could reach the quorum, and their outputs be combined."""
        try:
            quorum = self.plan(ensemble).quorum
        except QuorateError:
            return False
        return not quorum.lacks([self.member_ready(member) for member in ensemble.members])

    def inputs_of(self, ensemble: Ensemble) -> tuple[InputTensor, ...]:
        """Describe the tensors that the ensemble takes."""
        return tuple(self.plan(ensemble).tensors.values())

    async def answer(
        self,
        ensemble: Ensemble,
        columns: Columns | RawColumns,
        *,
        timeout_seconds: float | None = None,
        patience_seconds: float | None = None,
        outputs: Sequence[str] = (),
    ) -> Answer:
        """Merge what the members say of these rows, from whoever is there by the deadline.

        `columns` holds the ensemble's tensors and, where wanted, `<view>.present` BOOL [N]; tensors that came raw are
        best left so (`RawColumns`). `timeout_seconds` is the
        caller's own remaining time; the policy's deadline applies besides, or `patience_seconds` in its place, for a
        caller who would rather wait than go without a member. Raises InvalidInput, InvalidRows (rows as
        the caller numbered them), NotQuorate (who was missing, and why), or DeadlineExceeded where it was the
        caller's own time that ran out.
        """
        started = asyncio.get_running_loop().time()
        plan = self.plan(ensemble)
        wanted = wanted_outputs(ensemble.task, outputs, plan.members)
        asks, rows = asks_for(plan, columns, self._settings.max_rows)
        callers = math.inf if timeout_seconds is None else timeout_seconds
        deadline = ensemble.policy.deadline_seconds if patience_seconds is None else patience_seconds
        budget = min(callers, deadline)
        until = started + budget - self._reserve.of(budget)
        await gather_answers(asks, plan.coalescers, until)
        return self._merged(plan, asks, rows, wanted, started, until, callers < deadline)

    def plan(self, ensemble: Ensemble) -> Plan:
        """Return the ensemble's plan, worked out once a version."""
        key = (ensemble.name, ensemble.version)
        plan = self._plans.get(key)
        if plan is None or plan.ensemble is not ensemble:
            coalescers = tuple(self._coalescer(member) for member in ensemble.members)
            plan = self._plans[key] = plan_of(ensemble, coalescers)
        return plan

    def _coalescer(self, member: Member) -> Coalescer:
        if member not in self._coalescers:
            replicas = self._fleet.of(member.name)
            send = partial(replicas.infer, member)
            self._coalescers[member] = Coalescer(send, self._limits, replicas.__len__)
        return self._coalescers[member]

    def _merged(
        self,
        plan: Plan,
        asks: list[Ask],
        rows: int,
        wanted: tuple[str, ...],
        started: float,
        until: float,
        callers_time: bool,
    ) -> Answer:
        loop = asyncio.get_running_loop()
        gathered = loop.time()
        if reasons := refused_rows(asks):
            raise InvalidRows(reasons)
        reports = tuple(report_of(ask, started, until) for ask in asks)
        outputs, present = aligned(asks, rows, plan.width)
        if lacking := _lacking(plan, asks, present):
            _refuse(plan, asks, reports, lacking, callers_time)
        combined = plan.combiner.combine(outputs, present)
        ensemble = plan.ensemble
        answer = Answer(
            ensemble.name,
            ensemble.version,
            ensemble.labels,
            named_outputs(wanted, combined, outputs, plan.members, plan.labels),
            reports,
            present,
            expected_quality_of(ensemble.quality, present),
        )
        self._reserve.note(loop.time() - gathered)
        return answer


def _lacking(plan: Plan, asks: list[Ask], present: BoolArray) -> str:
    if all(ask.rows is None for ask in asks):
        return plan.quorum.lacks(present[:, 0])
    return next(iter(plan.quorum.lacking_rows(present).values()), "")


def _refuse(plan: Plan, asks: list[Ask], reports: tuple[MemberReport, ...], lacking: str, callers_time: bool) -> None:
    """Raise what the caller should know: its own mistake, its own time, or who was missing."""
    if why := refusal(asks):
        raise InvalidInput(why)
    said = "; ".join(f"{one.member} {one.status.value}: {one.reason}" for one in reports if one.reason)
    message = f"{plan.ensemble.name}:{plan.ensemble.version} is not quorate ({lacking}): {said}"
    if callers_time and any(one.status is Status.LATE for one in reports):
        raise DeadlineExceeded(message)
    raise NotQuorate(message, reports=reports)
