from __future__ import annotations

import asyncio
import json

import pytest
from fakes.plain_frontend import point, put, remove, request
from fakes.sidecar import Sidecar

from proxy.errors import Refused, Unavailable, Uncertain
from proxy.model.phase import Phase
from proxy.ports import Reply
from proxy.routing.plan import Action
from proxy.telemetry.metrics import REGISTRY


def get(*ids: int):
    return request("get", "c", ids=ids)


async def test_passthrough_relays_writes_and_journals_nothing(tmp_path) -> None:
    async with Sidecar(tmp_path, "passthrough") as sidecar:
        assert (await sidecar.ask(put("c", (1, 5.0)))).status == 200
        assert await sidecar.both() == ({1: 5.0}, {})
        assert sidecar.parts.mirror.position == 0


async def test_an_accepted_write_reaches_the_secondary(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        await sidecar.ask(put("c", (1, 5.0), (2, 6.0)))
        await sidecar.ask(remove("c", 1))
        await sidecar.drained()
        assert await sidecar.both() == ({2: 6.0}, {2: 6.0})


async def test_a_refused_write_is_not_mirrored(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        sidecar.upstream.before = _always(Reply(400, (), b"no"))
        assert (await sidecar.ask(put("c", (1, 5.0)))).status == 400
        assert sidecar.parts.mirror.status().entries == 0
        assert sidecar.parts.router.hold.flying == 0


async def test_a_write_by_filter_is_listed_before_it_goes(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        await sidecar.ask(put("c", *((n, float(n)) for n in range(6))))
        await sidecar.ask(request("remove_where", "c", group=1))
        await sidecar.drained()
        source, target = await sidecar.both()
        assert source == target == {0: 0.0, 2: 2.0, 3: 3.0, 5: 5.0}
        assert sidecar.parts.debts.all() == {}


async def test_a_change_of_schema_reaches_catalog_and_secondary(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        await sidecar.ask(request("create", "d"))
        await sidecar.drained()
        assert "d" in sidecar.parts.catalog.collections()
        assert await sidecar.target.collections() == ("c", "d")


@pytest.mark.parametrize("steps", range(12))
async def test_a_client_that_leaves_at_any_moment_is_counted_out_and_its_write_is_not_lost(tmp_path, steps) -> None:
    async with Sidecar(tmp_path, mirror={"linger": 0.01}) as sidecar:
        task = asyncio.ensure_future(sidecar.ask(put("c", (1, 5.0))))
        for _ in range(steps):
            await asyncio.sleep(0.0005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert sidecar.parts.router.hold.flying == 0
        await sidecar.drained()
        source, target = await sidecar.both()
        assert source == target


async def test_an_early_reply_of_the_primary_goes_through(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        said = sidecar.begin(put("c", (1, 5.0)))
        went = []
        said.relay.tap.reply(Reply(413, (), b"too large"), went.append)
        said.relay.tap.done(None)
        assert went == [None]
        assert sidecar.parts.router.hold.flying == 0


async def test_a_reply_that_waits_for_nothing_goes_before_its_outcome_is_recorded(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        asked = put("c", (1, 5.0))
        tap = sidecar.begin(asked).relay.tap
        tap.request(asked, [].append)
        position, flying = sidecar.parts.mirror.position, sidecar.parts.router.hold.flying
        await sidecar.until(lambda: tap._ticket.durable)
        went, said = [], await sidecar.upstream.answer(asked)
        tap.reply(said, went.append)
        tap.done(said)
        assert (went, sidecar.parts.mirror.position) == ([None], position)
        assert sidecar.parts.router.hold.flying == flying == 1
        await sidecar.until(lambda: sidecar.parts.router.hold.flying == 0)
        assert sidecar.parts.mirror.position > position
        await sidecar.drained()
        assert await sidecar.both() == ({1: 5.0}, {1: 5.0})


async def test_a_request_above_the_limit_is_refused_by_us(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        said = sidecar.begin(put("c", (1, 5.0)))
        went = []
        said.relay.tap.request(None, went.append)
        said.relay.tap.failed(Unavailable("answered"), sent=False)
        assert b"larger than" in went[0].body
        assert sidecar.parts.mirror.position == 0


async def test_a_full_journal_lets_writes_wait_and_then_refuses(tmp_path) -> None:
    async with Sidecar(tmp_path, journal={"max_entries": 1, "block_timeout": 0.05}) as sidecar:
        sidecar.parts.mirror.pause()
        await sidecar.ask(put("c", (1, 5.0)))
        refused = await sidecar.ask(put("c", (2, 6.0)))
        assert refused.status == 503
        assert b"no room" in refused.body
        waiting = asyncio.ensure_future(sidecar.ask(put("c", (3, 7.0))))
        sidecar.parts.mirror.resume()
        assert (await waiting).status == 200
        await sidecar.drained()
        assert (await sidecar.both())[1] == {1: 5.0, 3: 7.0}


@pytest.mark.parametrize(("mode", "status"), [("async", 200), ("sync", 200), ("strict", 503)])
async def test_the_mode_says_what_a_secondary_that_is_away_means(tmp_path, mode, status) -> None:
    async with Sidecar(tmp_path, mirror={"mode": "async", "collections": {"c": mode}, "sync_timeout": 0.05}) as sidecar:
        sidecar.parts.mirror.pause()
        assert (await sidecar.ask(put("c", (1, 5.0)))).status == status
        sidecar.parts.mirror.resume()
        await sidecar.drained()
        assert await sidecar.both() == ({1: 5.0}, {1: 5.0})


@pytest.mark.parametrize("phase", ["mirror", "cutover"])
async def test_in_mode_sync_the_secondary_has_it_before_the_reply(tmp_path, phase) -> None:
    async with Sidecar(tmp_path, mirror={"mode": "sync"}) as sidecar:
        if phase == "cutover":
            await sidecar.change(Phase.CUTOVER)
        await sidecar.ask(put("c", (1, 5.0)))
        assert await sidecar.both() == ({1: 5.0}, {1: 5.0})


# ---- reads ----


async def test_sampled_reads_are_compared_by_the_collections_own_share(tmp_path) -> None:
    async with Sidecar(tmp_path, "shadow", routing={"shadow": 1.0, "collections": {"c": {"shadow": 0.25}}}) as sidecar:
        await sidecar.ask(put("c", (1, 5.0)))
        await sidecar.drained()
        for _ in range(400):
            await sidecar.get(1)
        await sidecar.until(lambda: not sidecar.parts.shadow.status().waiting)
        assert 60 <= sidecar.parts.shadow.status().tried <= 140


async def test_canary_reads_come_from_the_secondary(tmp_path) -> None:
    async with Sidecar(tmp_path, "canary", routing={"canary": 1.0}) as sidecar:
        await sidecar.target.put([point("c", 1, 9.0)])
        assert await sidecar.get(1) == {"1": 9.0}
        assert sidecar.upstream.asked == []


async def test_a_canary_read_that_fails_is_answered_by_the_primary(tmp_path) -> None:
    async with Sidecar(tmp_path, "canary", routing={"canary": 1.0}) as sidecar:
        await sidecar.source.put([point("c", 1, 5.0)])
        sidecar.target.fetch = _raising(Unavailable("away"))
        before = _fallbacks()
        assert await sidecar.get(1) == {"1": 5.0}
        assert _fallbacks() == before + 1


async def test_a_canary_read_that_fails_after_the_primary_has_changed_is_answered_by_the_new_one(tmp_path) -> None:
    async with Sidecar(tmp_path, "canary", routing={"canary": 1.0}) as sidecar:
        for side in (sidecar.source, sidecar.target):
            await side.put([point("c", 1, 5.0)])
        fetch = sidecar.target.fetch

        async def fails_late(*given: object) -> object:
            sidecar.target.fetch = fetch
            await sidecar.change(Phase.CUTOVER)
            raise Unavailable("it was away")

        sidecar.target.fetch = fails_late
        assert await sidecar.get(1) == {"1": 5.0}
        assert sidecar.upstream.asked == []


async def test_a_canary_read_whose_body_arrives_after_the_primary_has_changed_is_answered_by_the_new_one(tmp_path) -> None:
    routing = {"canary": 1.0, "collections": {"c": {"canary": 0.0}}}
    async with Sidecar(tmp_path, "canary", routing=routing) as sidecar:
        await sidecar.target.put([point("c", 1, 5.0)])
        asked = request("get", "c", ids=[1])
        said = sidecar.begin(asked)
        await sidecar.change(Phase.CUTOVER)
        reply = await sidecar.see(said, asked)
        assert json.loads(reply.body) == {"1": 5.0}
        assert sidecar.upstream.asked == []


async def test_a_collection_without_a_canary_share_is_left_to_the_primary(tmp_path) -> None:
    routing = {"canary": 1.0, "collections": {"c": {"canary": 0.0}}}
    async with Sidecar(tmp_path, "canary", routing=routing) as sidecar:
        await sidecar.get(1)
        assert len(sidecar.upstream.asked) == 1


async def test_what_has_no_meaning_is_relayed_counted_and_refused_after_cutover(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        assert (await sidecar.ask(request("odd", "c"))).body == b'"source"'
        await sidecar.change(Phase.CUTOVER)
        refused = await sidecar.ask(request("odd", "c"))
        assert refused.status == 400
        assert b"odd cannot be answered since qdrant is the primary" in refused.body
        counts = {(route.name, action): times for (route, action), times in sidecar.parts.router.seen().items()}
        assert counts == {("odd", Action.RELAY): 1, ("odd", Action.REFUSE): 1}


async def test_after_cutover_the_catalog_answers(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        await sidecar.change(Phase.CUTOVER)
        assert (await sidecar.ask(request("hello", "c"))).body == b'"hello"'


# ---- beside the mirror ----


async def test_a_change_beside_the_mirror_is_a_debt_before_and_after(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        seen = []

        async def before(_) -> None:
            seen.append(sidecar.parts.debts.all())
            await sidecar.parts.debts.settle("c", since=sidecar.parts.debts.number(), epoch=1, points=0)

        sidecar.upstream.before = before
        await sidecar.ask(request("import", "c"))
        await asyncio.sleep(0)
        assert "c" in seen[0]
        assert "beside the mirror" in sidecar.parts.debts.all()["c"]


async def test_a_write_that_began_before_the_mirror_is_a_debt_from_its_start_on_and_when_it_ends(tmp_path) -> None:
    async with Sidecar(tmp_path, "passthrough") as sidecar:
        go = asyncio.Event()

        async def before(_) -> None:
            await go.wait()

        sidecar.upstream.before = before
        late = asyncio.ensure_future(sidecar.ask(put("c", (1, 5.0))))
        await asyncio.sleep(0)
        await sidecar.operator.enter("mirror", "test", "")
        await asyncio.sleep(0)
        assert "under way when the mirror started" in sidecar.parts.debts.all()["c"]
        await sidecar.parts.debts.settle("c", since=sidecar.parts.debts.number(), epoch=1, points=0)
        assert sidecar.parts.debts.all() == {}
        go.set()
        await late
        await asyncio.sleep(0)
        assert "beside the mirror" in sidecar.parts.debts.all()["c"]


async def test_writes_that_ended_before_the_mirror_are_no_debt(tmp_path) -> None:
    async with Sidecar(tmp_path, "passthrough") as sidecar:
        await sidecar.ask(put("c", (1, 5.0)))
        await sidecar.operator.enter("mirror", "test", "")
        await asyncio.sleep(0)
        assert sidecar.parts.debts.all() == {}


async def test_an_excluded_collection_stays_at_the_source(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        await sidecar.parts.catalog.exclude(frozenset({"c"}))
        await sidecar.ask(put("c", (1, 5.0)))
        await sidecar.drained()
        await sidecar.change(Phase.CUTOVER)
        await sidecar.ask(put("c", (2, 6.0)))
        assert await sidecar.both() == ({1: 5.0, 2: 6.0}, {})
        assert await sidecar.get(1) == {"1": 5.0}


# ---- translated ----


@pytest.mark.parametrize(
    ("write", "left"),
    [
        (put("c", (1, 5.0), (9, 9.0)), {1: 5.0, 2: 2.0, 3: 3.0, 9: 9.0}),
        (request("patch", "c", points=[[2, 7.0]]), {1: 1.0, 2: 7.0, 3: 3.0}),
        (remove("c", 1, 3), {2: 2.0}),
        (request("remove_where", "c", group=2), {1: 1.0, 3: 3.0}),
        (request("remove_where", "c", group=None), {}),
    ],
)
@pytest.mark.parametrize("limit", [10_000, 1])
async def test_a_translated_write_reaches_the_new_primary_and_then_the_other_side(tmp_path, write, left, limit) -> None:
    async with Sidecar(tmp_path, mirror={"filter_expand_limit": limit}) as sidecar:
        await sidecar.ask(put("c", (1, 1.0), (2, 2.0), (3, 3.0)))
        await sidecar.drained()
        await sidecar.change(Phase.CUTOVER)
        assert (await sidecar.ask(write)).status == 200
        assert (await sidecar.both())[1] == left
        await sidecar.drained()
        if not sidecar.parts.debts.all():
            assert await sidecar.both() == (left, left)
        assert (limit == 1 and b"remove_where" in write.path) >= bool(sidecar.parts.debts.all())


async def test_a_write_that_only_the_source_could_do_is_refused(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        await sidecar.change(Phase.CUTOVER)
        for write in (request("opaque", "c"), put("c", (1, 5.0), path="put_auto")):
            assert (await sidecar.ask(write)).status == 400
        await sidecar.drained()
        assert await sidecar.both() == ({}, {})


async def test_a_refused_translated_write_leaves_its_keys_to_be_settled_and_nothing_lingers(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        await sidecar.change(Phase.CUTOVER)
        partly = sidecar.target.put

        async def put_one(points) -> None:
            await partly(points[:1])
            raise Uncertain("timed out") if sidecar.parts.mirror.position > 1 else Refused("not here")

        sidecar.target.put = put_one
        assert (await sidecar.ask(put("c", (1, 5.0), (2, 6.0)))).status == 400
        sidecar.target.put = partly
        await sidecar.drained()
        assert await sidecar.both() == ({1: 5.0}, {1: 5.0})


async def test_a_translated_write_whose_end_is_unknown_stays_dirty_until_it_cannot_land(tmp_path) -> None:
    async with Sidecar(tmp_path, mirror={"linger": 0.3}) as sidecar:
        await sidecar.change(Phase.CUTOVER)
        partly = sidecar.target.put
        sidecar.target.put = _raising(Uncertain("timed out"))
        assert (await sidecar.ask(put("c", (1, 5.0)))).status == 503
        sidecar.target.put = partly
        await sidecar.target.put([point("c", 1, 5.0)])  # it lands late
        assert sidecar.parts.mirror.status().entries + sidecar.parts.mirror.status().dirty_keys > 0
        await sidecar.drained()
        assert await sidecar.both() == ({1: 5.0}, {1: 5.0})


async def test_a_short_outage_of_the_new_primary_is_bridged(tmp_path) -> None:
    async with Sidecar(tmp_path, relay={"bridge": 2}) as sidecar:
        await sidecar.change(Phase.CUTOVER)
        there = sidecar.target.put
        sidecar.target.put = _raising(Unavailable("away"))
        asked = asyncio.ensure_future(sidecar.ask(put("c", (1, 5.0))))
        await asyncio.sleep(0.1)
        sidecar.target.put = there
        assert (await asked).status == 200


async def test_a_failed_change_of_schema_leaves_no_debt(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        await sidecar.change(Phase.CUTOVER)
        sidecar.target.apply = _raising(Refused("not here"))
        assert (await sidecar.ask(request("create", "d"))).status == 400
        await sidecar.drained()
        assert sidecar.parts.debts.all() == {}


async def test_a_client_that_leaves_a_translated_write_leaves_nothing_flying(tmp_path) -> None:
    async with Sidecar(tmp_path, mirror={"linger": 0.01}) as sidecar:
        await sidecar.change(Phase.CUTOVER)
        entered = asyncio.Event()

        async def forever(_) -> None:
            entered.set()
            await asyncio.Event().wait()

        there, sidecar.target.put = sidecar.target.put, forever
        task = asyncio.ensure_future(sidecar.ask(put("c", (1, 5.0))))
        await entered.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        sidecar.target.put = there
        assert sidecar.parts.router.hold.flying == 0
        await sidecar.drained()


def _always(reply):
    async def before(_):
        return reply

    return before


def _raising(error):
    async def call(*_):
        raise error

    return call


def _fallbacks() -> float:
    return REGISTRY.get_sample_value("vecferry_canary_fallbacks_total", {"reason": "Unavailable"}) or 0.0
