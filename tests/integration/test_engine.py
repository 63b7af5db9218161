"""The engine with real gRPC members: deadline, quorum, missing views, replicas, and whose mistake is whose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import numpy as np
import pytest

from quorate.ensemble import Answer, Columns, Combiner, Ensemble, Member, OutputBinding, Policy, Quality, Status, Task
from quorate.errors import (
    DeadlineExceeded,
    InvalidInput,
    InvalidRows,
    MemberError,
    NotQuorate,
    QuorateError,
    Unavailable,
)
from quorate.settings import Settings
from services.coordinator.engine import Catalog, Engine
from tests.support.members import (
    LABELS,
    ScriptedMember,
    bytes_cells,
    image_member,
    matrix_member,
    says,
    serving,
    table_member,
    text_member,
)

MEMBERS = (text_member(), image_member(), table_member())
QUALITY = {
    pattern: Quality("accuracy", value, value - 0.1, value + 0.1, 50)
    for pattern, value in {"111": 0.9, "101": 0.8, "100": 0.5}.items()
}


class House:
    """Scripted members behind an engine whose catalog a test may change."""

    def __init__(self, settings: Settings) -> None:
        self.catalog = Catalog()
        self.engine = Engine(settings, lambda: self.catalog)
        self.served: dict[str, ScriptedMember] = {}

    def register(self, ensemble: Ensemble, addresses: Mapping[str, tuple[str, ...]]) -> None:
        versions = {ensemble.name: {ensemble.version: ensemble}}
        self.catalog = Catalog(self.catalog.revision + 1, versions, {ensemble.name: {"live": 1}}, (), addresses)
        self.engine.catalog_changed()


@asynccontextmanager
async def house(
    ensemble: Ensemble, settings: Settings | None = None, **scripts: ScriptedMember
) -> AsyncIterator[House]:
    """Serve every member of the ensemble, as scripted or saying "cat" with 0.9, and start an engine that knows them."""
    async with AsyncExitStack() as stack:
        built = House(settings or Settings())
        addresses = {}
        for member in ensemble.members:
            scripted = built.served[member.name] = scripts.get(member.name, ScriptedMember())
            addresses[member.name] = (await stack.enter_async_context(serving(scripted)),)
        built.register(ensemble, addresses)
        await built.engine.start()
        stack.push_async_callback(built.engine.close)
        yield built


def pets(policy: Policy | None = None, members: tuple[Member, ...] = MEMBERS, **changes: Any) -> Ensemble:
    fields = {"combiner": Combiner("soft_vote"), "policy": policy or Policy(deadline_seconds=5.0), **changes}
    return Ensemble("pets", 1, Task.CLASSIFICATION, LABELS, members, **fields)


def whole(rows: int = 1) -> Columns:
    return {
        "text": bytes_cells(*[b"meow %d" % row for row in range(rows)]),
        "image": np.zeros((rows, 4, 4), dtype=np.uint8),
        "age": np.arange(rows, dtype=np.float64),
        "colour": bytes_cells(*[b"black"] * rows),
    }


def statuses(answer: Answer) -> dict[str, Status]:
    return {report.member: report.status for report in answer.members}


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something that a background look will notice."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.02)


async def test_members_are_averaged_into_one_answer_that_says_who_is_in_it() -> None:
    ensemble = pets(quality=QUALITY)
    async with house(ensemble, viewer=ScriptedMember(says(0.3)), counter=ScriptedMember(says(0.6))) as there:
        answer = await there.engine.answer(ensemble, whole(3))
    np.testing.assert_allclose(answer.outputs["probabilities"], np.tile([0.6, 0.4], (3, 1)), atol=1e-6)
    assert answer.outputs["probabilities"].dtype == np.float32
    assert answer.outputs["label"].tolist() == [b"cat"] * 3
    assert set(answer.outputs) == {"probabilities", "label"}
    assert statuses(answer) == dict.fromkeys(("reader", "viewer", "counter"), Status.ANSWERED)
    assert [(report.rows_asked, report.rows_answered) for report in answer.members] == [(3, 3)] * 3
    assert all(report.latency_seconds > 0 for report in answer.members)
    assert answer.expected_quality == QUALITY["111"]
    assert not answer.degraded


async def test_members_own_outputs_come_on_request_and_unknown_outputs_are_refused() -> None:
    ensemble = pets()
    async with house(ensemble, viewer=ScriptedMember(says(0.3))) as there:
        answer = await there.engine.answer(ensemble, whole(), outputs=("label", "members.viewer"))
        assert list(answer.outputs) == ["label", "members.viewer"]
        np.testing.assert_allclose(answer.outputs["members.viewer"], [[0.3, 0.7]], atol=1e-6)
        answer = await there.engine.answer(ensemble, whole(), outputs=("members.*",))
        assert list(answer.outputs) == ["members.reader", "members.viewer", "members.counter"]
        with pytest.raises(
            InvalidInput, match=r"no output 'logits'; the outputs are probabilities, label, members.rea"
        ):
            await there.engine.answer(ensemble, whole(), outputs=("logits",))


async def test_a_missing_view_is_not_a_failure_and_its_member_is_not_asked() -> None:
    ensemble = pets(quality=QUALITY)
    columns = whole(2)
    del columns["image"]
    async with house(ensemble) as there:
        answer = await there.engine.answer(ensemble, columns, outputs=("probabilities", "members.viewer"))
        assert there.served["viewer"].batches == []
    assert statuses(answer)["viewer"] is Status.MISSING_VIEW
    assert not answer.degraded
    assert answer.expected_quality == QUALITY["101"]
    assert np.isnan(answer.outputs["members.viewer"]).all()


async def test_a_member_is_asked_for_just_the_rows_that_have_its_view_and_each_row_gets_its_own_quorum() -> None:
    ensemble = pets(quality=QUALITY)
    columns = {**whole(4), "image.present": np.array([True, False, True, False])}
    async with house(ensemble, viewer=ScriptedMember(says(0.0))) as there:
        answer = await there.engine.answer(ensemble, columns)
        assert there.served["viewer"].rows == [2]
        assert there.served["reader"].rows == [4]
    np.testing.assert_allclose(answer.outputs["probabilities"][:, 0], [0.6, 0.9, 0.6, 0.9], atol=1e-6)
    assert answer.present.tolist() == [[True] * 4, [True, False, True, False], [True] * 4]
    assert answer.expected_quality is not None
    assert answer.expected_quality.value == pytest.approx(0.85)


async def test_rows_whose_views_cannot_reach_the_quorum_are_the_callers_mistake() -> None:
    ensemble = pets(Policy(min_members=2))
    columns = {"text": bytes_cells(b"a", b"b"), "age": np.ones(2), "tabular.present": np.array([True, False])}
    async with house(ensemble) as there:
        with pytest.raises(InvalidRows, match="1 of the 2 members needed") as refused:
            await there.engine.answer(ensemble, columns)
    assert list(refused.value.reasons) == [1]


async def test_at_the_deadline_whoever_is_there_answers_and_the_late_call_is_given_up() -> None:
    ensemble = pets(Policy(deadline_seconds=0.3), quality=QUALITY)
    async with house(ensemble, viewer=ScriptedMember(delay_seconds=30)) as there:
        started = asyncio.get_running_loop().time()
        answer = await there.engine.answer(ensemble, whole())
        took = asyncio.get_running_loop().time() - started
        await until(lambda: there.served["viewer"].cancelled == 1)
    assert 0.2 < took < 2
    assert statuses(answer)["viewer"] is Status.LATE
    assert answer.degraded
    assert answer.expected_quality == QUALITY["101"]


async def test_without_a_quorum_at_the_deadline_the_error_names_who_was_missing_and_why() -> None:
    ensemble = pets(Policy(deadline_seconds=0.3, min_members=2))
    scripts = {"viewer": ScriptedMember(delay_seconds=30), "counter": ScriptedMember(error=MemberError("out of beans"))}
    async with house(ensemble, **scripts) as there:
        with pytest.raises(NotQuorate) as missing:
            await there.engine.answer(ensemble, whole())
    for told in ("1 of the 2 members needed", "viewer late", "counter failed", "out of beans"):
        assert told in str(missing.value)
    assert [report.status for report in missing.value.reports] == [Status.ANSWERED, Status.LATE, Status.FAILED]


async def test_when_it_is_the_callers_time_that_ends_the_error_is_a_deadline() -> None:
    ensemble = pets(Policy(deadline_seconds=5, required=("viewer",)))
    async with house(ensemble, viewer=ScriptedMember(delay_seconds=30)) as there:
        with pytest.raises(DeadlineExceeded, match="required member viewer not there"):
            await there.engine.answer(ensemble, whole(), timeout_seconds=0.2)


async def test_a_member_that_fails_fast_is_not_waited_for() -> None:
    ensemble = pets(Policy(deadline_seconds=30))
    async with house(ensemble, viewer=ScriptedMember(error=MemberError("broken"))) as there:
        async with asyncio.timeout(5):
            answer = await there.engine.answer(ensemble, whole())
    assert statuses(answer)["viewer"] is Status.FAILED
    assert "broken" in answer.members[1].reason
    assert answer.members[1].error == "MemberError"


async def test_a_member_that_nobody_serves_fails_at_once_and_comes_back_by_itself() -> None:
    ensemble = pets(Policy(deadline_seconds=30))
    scripted = ScriptedMember()
    async with AsyncExitStack() as stack:
        there = House(Settings())
        reader = await stack.enter_async_context(serving(ScriptedMember()))
        async with serving(scripted) as address:
            there.register(ensemble, {"reader": (reader,), "viewer": (address,)})
            await there.engine.start()
            stack.push_async_callback(there.engine.close)
            answer = await there.engine.answer(ensemble, whole())
            assert statuses(answer)["viewer"] is Status.ANSWERED
        for _ in range(6):
            async with asyncio.timeout(5):
                answer = await there.engine.answer(ensemble, whole())
            assert statuses(answer) == {
                "reader": Status.ANSWERED,
                "viewer": Status.FAILED,
                "counter": Status.FAILED,
            }
        assert "no address is registered" in answer.members[2].reason
        await until(lambda: not there.engine.member_ready(MEMBERS[1]))
        await stack.enter_async_context(serving(scripted, address))
        await until(lambda: there.engine.member_ready(MEMBERS[1]), seconds=20)
        answer = await there.engine.answer(ensemble, whole())
        assert statuses(answer)["viewer"] is Status.ANSWERED


async def test_another_replica_answers_when_one_is_gone_and_a_new_one_takes_its_share() -> None:
    ensemble = pets(members=(text_member(),))
    first, second, third = ScriptedMember(), ScriptedMember(), ScriptedMember()
    async with AsyncExitStack() as stack:
        there = House(Settings())
        address = await stack.enter_async_context(serving(first))
        async with serving(second) as other:
            there.register(ensemble, {"reader": (address, other)})
            await there.engine.start()
            stack.push_async_callback(there.engine.close)
            for _ in range(10):
                await there.engine.answer(ensemble, whole_text())
            assert (len(first.batches), len(second.batches)) == (5, 5)
        for _ in range(10):
            answer = await there.engine.answer(ensemble, whole_text())
            assert statuses(answer)["reader"] is Status.ANSWERED
        new = await stack.enter_async_context(serving(third))
        there.register(ensemble, {"reader": (address, new)})
        async with asyncio.timeout(5):
            while not third.batches:
                await there.engine.answer(ensemble, whole_text())


def whole_text(rows: int = 1) -> Columns:
    return {"text": bytes_cells(*[b"t"] * rows)}


async def test_calls_that_come_together_reach_the_member_together() -> None:
    ensemble = pets()

    def by_age(columns: Columns) -> Any:
        share = columns["age"] / 100
        return np.stack([share, 1 - share], axis=1).astype(np.float32)

    async with house(ensemble, counter=ScriptedMember(by_age)) as there:
        requests = [{"age": np.array([age]), "colour": bytes_cells(b"red")} for age in range(32)]
        answers = await asyncio.gather(*(there.engine.answer(ensemble, dict(one)) for one in requests))
        assert len(there.served["counter"].batches) < 8
    for age, answer in enumerate(answers):
        assert answer.outputs["probabilities"][0, 0] == pytest.approx(age / 100, abs=1e-6)


async def test_a_poison_row_fails_its_own_caller_and_nobody_else() -> None:
    ensemble = pets()

    def refuses_poison(columns: Columns) -> Any:
        bad = {row: "poison" for row, cell in enumerate(columns["text"]) if cell == b"poison"}
        if bad:
            raise InvalidRows(bad)
        return says(0.9)(columns)

    async with house(ensemble, reader=ScriptedMember(refuses_poison)) as there:
        fine = [there.engine.answer(ensemble, whole(2)) for _ in range(10)]
        columns = {**whole(3), "text": bytes_cells(b"a", b"b", b"poison")}
        results = await asyncio.gather(*fine, there.engine.answer(ensemble, columns), return_exceptions=True)
    assert all(isinstance(result, Answer) and not result.degraded for result in results[:-1])
    assert isinstance(results[-1], InvalidRows)
    assert results[-1].reasons == {2: "poison"}


async def test_bad_rows_of_several_members_are_told_together_as_the_caller_numbered_them() -> None:
    ensemble = pets()
    scripts = {
        "viewer": ScriptedMember(error=InvalidRows({0: "no image"})),
        "reader": ScriptedMember(error=InvalidRows({1: "no text"})),
    }
    columns = {**whole(3), "image.present": np.array([False, False, True])}
    async with house(ensemble, **scripts) as there:
        with pytest.raises(InvalidRows) as refused:
            await there.engine.answer(ensemble, columns)
    assert refused.value.reasons == {1: "no text", 2: "no image"}


async def test_a_foreign_server_gets_its_matrix_and_its_logits_are_understood() -> None:
    ensemble = pets(members=(text_member(), matrix_member()))

    def logits(columns: Columns) -> Any:
        assert columns["X"].dtype == np.float32
        return columns["X"] * np.float32(2.0)

    async with house(ensemble, stranger=ScriptedMember(logits, output="scores")) as there:
        columns = {**whole_text(2), "age": np.array([1, 0]), "weight": np.array([0.0, 1.0])}
        answer = await there.engine.answer(ensemble, columns, outputs=("members.stranger", "label"))
        share = 1 / (1 + np.exp(-2.0))
        np.testing.assert_allclose(
            answer.outputs["members.stranger"], [[share, 1 - share], [1 - share, share]], atol=1e-6
        )
        del columns["weight"]
        answer = await there.engine.answer(ensemble, columns)
        assert statuses(answer)["stranger"] is Status.MISSING_VIEW
        assert "weight" in answer.members[1].reason


async def test_a_request_that_every_member_refuses_is_the_callers_mistake() -> None:
    ensemble = pets(members=(text_member(),))
    async with house(ensemble, reader=ScriptedMember(error=InvalidInput("no such thing"))) as there:
        with pytest.raises(InvalidInput, match="no such thing"):
            await there.engine.answer(ensemble, whole_text())


async def test_rows_above_the_batch_limit_are_cut_and_come_back_in_order() -> None:
    ensemble = pets(members=(table_member(),))

    def by_age(columns: Columns) -> Any:
        share = columns["age"] / 1000
        return np.stack([share, 1 - share], axis=1).astype(np.float32)

    async with house(ensemble, Settings(max_batch_rows=64), counter=ScriptedMember(by_age)) as there:
        answer = await there.engine.answer(ensemble, {"age": np.arange(1000.0)})
        assert max(there.served["counter"].rows) == 64
    np.testing.assert_allclose(answer.outputs["probabilities"][:, 0], np.arange(1000) / 1000, atol=1e-6)


async def test_a_regression_answers_values() -> None:
    member = Member("m", 1, ("tabular",), Task.REGRESSION, (), table_member().inputs, OutputBinding("value", "value"))
    ensemble = Ensemble("prices", 1, Task.REGRESSION, (), (member,), Combiner("mean"))
    scripted = ScriptedMember(lambda columns: columns["age"].astype(np.float32), output="value")
    async with house(ensemble, m=scripted) as there:
        answer = await there.engine.answer(ensemble, {"age": np.array([3.0, 4.0])})
    assert answer.outputs["value"].tolist() == [3.0, 4.0]


async def test_an_ensemble_is_ready_while_its_quorum_could_be_reached() -> None:
    ensemble = pets(Policy(min_members=2))
    async with house(ensemble) as there:
        assert there.engine.is_ready(ensemble)
        there.served["viewer"].ready = False
        await until(lambda: not there.engine.member_ready(MEMBERS[1]))
        assert there.engine.is_ready(ensemble)
        there.served["reader"].ready = False
        await until(lambda: not there.engine.is_ready(ensemble))
        there.served["reader"].ready = True
        await until(lambda: there.engine.is_ready(ensemble))


async def test_a_caller_that_is_cancelled_leaves_the_others_answered() -> None:
    ensemble = pets()
    async with house(ensemble, viewer=ScriptedMember(delay_seconds=0.2)) as there:
        calls = [asyncio.create_task(there.engine.answer(ensemble, whole())) for _ in range(3)]
        await until(lambda: bool(there.served["viewer"].batches))
        calls[1].cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(results[0], Answer)
    assert isinstance(results[1], asyncio.CancelledError)
    assert isinstance(results[2], Answer)


async def test_closing_the_engine_tells_who_waits_to_ask_again() -> None:
    ensemble = pets(members=(text_member(),))
    async with house(ensemble, reader=ScriptedMember(delay_seconds=30)) as there:
        call = asyncio.create_task(there.engine.answer(ensemble, whole_text()))
        await until(lambda: bool(there.served["reader"].batches))
        await there.engine.close()
        with pytest.raises(Unavailable):
            await call


@pytest.mark.parametrize("error", [MemberError("x"), Unavailable("x"), InvalidInput("x")])
async def test_one_members_error_of_any_kind_leaves_the_others_answer(error: QuorateError) -> None:
    ensemble = pets()
    async with house(ensemble, counter=ScriptedMember(error=error)) as there:
        answer = await there.engine.answer(ensemble, whole())
    assert statuses(answer)["counter"] is Status.FAILED
    assert answer.degraded
