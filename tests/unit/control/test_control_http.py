from __future__ import annotations

import asyncio
import gc
import re
import weakref
from pathlib import Path

import pytest
from fakes.plain_frontend import put, request

from proxy.errors import Unavailable


async def test_status_holds_what_scripts_rely_on(desk) -> None:
    async with desk("shadow") as it:
        status = await it.get("/v1/status")
        assert status["phase"] == "shadow"
        assert status["epoch"] == 1
        assert status["primary"] == "source"
        assert {"entries", "oldest_seconds", "dirty_keys", "parked"} <= status["journal"].keys()
        assert all({"name", "state", "done", "total"} <= task.keys() for task in status["tasks"])
        assert {"shadow", "verified", "divergences"} <= status["collections"]["c"].keys()
        assert all({"name", "ok", "why"} == gate.keys() for gate in status["gates"])
        page = (Path(__file__).parents[3] / "docs" / "admin-api.md").read_text("utf-8").split("## Status")[1]
        assert [name for name in status if not re.search(rf"\b{name}\b[:,]", page)] == []


async def test_shadow_figures_are_in_the_status_once_there_are_samples(desk) -> None:
    async with desk("shadow", routing={"shadow": 1.0}) as it:
        await it.sidecar.get(1)
        await it.sidecar.until(lambda: bool(it.sidecar.parts.shadow.figures(it.sidecar.config.gates)))
        shadow = (await it.get("/v1/status"))["collections"]["c"]["shadow"]
        assert {"samples", "recall", "recall_lower_bound", "tail"} <= shadow.keys()


async def test_an_assessment_without_a_read_tried_says_so(desk) -> None:
    async with desk("passthrough", routing={"shadow": 1.0}) as it:
        await it.sidecar.get(1)
        assert "no read was tried on the target yet" in (await it.get("/v1/assess"))["note"]
        assert (await it.post("/v1/phase", phase="shadow"))[0] == 200
        await it.sidecar.get(1)
        await it.sidecar.until(lambda: bool(it.sidecar.parts.shadow.figures(it.sidecar.config.gates)))
        assert (await it.get("/v1/assess"))["note"] == ""


async def test_a_migration_from_start_to_end(desk) -> None:
    async with desk("passthrough", routing={"shadow": 1.0}) as it:
        await it.sidecar.ask(put("c", (1, 5.0)))
        for phase in ("mirror", "shadow"):
            assert (await it.post("/v1/phase", phase=phase, why="test", who="me"))[0] == 200
        for task in ("backfill", "verify"):
            assert (await it.post(f"/v1/tasks/{task}"))[0] == 200
            await it.sidecar.parts.tasks.wait(task)
            assert (await it.get(f"/v1/tasks/{task}"))["state"] == "done"
        status, refused = await it.post("/v1/cutover")
        assert status == 409
        assert {gate["name"] for gate in refused["gates"]} >= {"recall:c"}
        force = ["recall", "tail", "latency", "violations", "errors"]
        assert (await it.post("/v1/cutover", force=force))[0] == 400
        status, done = await it.post("/v1/cutover", force=force, why="nobody searches", who="me")
        assert (status, done["primary"], done["epoch"]) == (200, "target", 2)
        assert done["held_seconds"] < 1
        assert (await it.post("/v1/rollback"))[1]["phase"] == "shadow"
        history = await it.get("/v1/history")
        assert [stage["phase"] for stage in history] == ["shadow", "cutover", "shadow", "mirror", "passthrough"]
        assert history[1]["decision"] == {"who": "me", "why": "nobody searches", "forced": force}


async def test_an_act_goes_on_when_who_asked_for_it_leaves(desk) -> None:
    async with desk("passthrough") as it:
        look, looking, answers = it.sidecar.source.collections, asyncio.Event(), []

        async def slowly() -> tuple[str, ...]:
            answer = asyncio.get_running_loop().create_future()
            answers.append(weakref.ref(answer))  # as many an SDK keeps it
            looking.set()
            return await answer

        it.sidecar.source.collections = slowly
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await it.post("/v1/phase", phase="mirror")
        await it.sidecar.until(lambda: not it.connected())
        gc.collect()
        it.sidecar.source.collections = look
        answers[0]().set_result(await look())
        await it.sidecar.until(lambda: it.sidecar.parts.migration.phase == "mirror")


async def test_a_task_needs_the_mirror(desk) -> None:
    async with desk("passthrough") as it:
        status, said = await it.post("/v1/tasks/backfill")
        assert status == 400
        assert "vecferry phase mirror" in said["error"]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/v1/phase", {"phase": "shadows"}, 400, "there is no phase 'shadows'"),
        ("/v1/phase", {}, 400, "phase: Field required"),
        ("/v1/phase", {"phase": "shadow", "whom": "me"}, 400, "whom: Extra inputs"),
        ("/v1/phase", {"phase": "cutover"}, 400, "use `vecferry cutover`"),
        ("/v1/cutover", {"force": "recall"}, 400, "force: Input should be a valid array"),
        ("/v1/cutover", {"force": ["recal"], "why": "x"}, 400, "no gate is called recal"),
        ("/v1/rollback", {}, 409, "the source is the primary already"),
        ("/v1/tasks/backfil", {}, 404, "there is no task backfil"),
        ("/v1/tasks/backfill", {"collections": ["x"]}, 404, "x"),
        ("/v1/tasks/backfill/cancel", {}, 400, "nothing to cancel"),
        ("/v1/parked/retry", {"numbers": [7]}, 404, "nothing is parked under 7"),
        ("/v1/parked/retry", {"numbers": ["x"]}, 400, "numbers.0"),
        ("/v1/parked/forget", {}, 404, "retried or discarded"),
        ("/v1/pause/backfill", {}, 400, "not running"),
        ("/v1/nonsense", {}, 404, "Not Found"),
    ],
)
async def test_what_is_wrong_is_told_in_json(desk, path, body, status, says) -> None:
    async with desk() as it:
        found, said = await it.post(path, **body)
        assert (found, says in said["error"]) == (status, True), said


async def test_a_body_that_is_no_json_is_told(desk) -> None:
    async with desk() as it, it.client.post(it.url + "/v1/phase", data=b"{") as reply:
        assert reply.status == 400
        assert "Invalid JSON" in (await reply.json())["error"]


async def test_the_token_guards_all_but_health(desk) -> None:
    async with desk(admin={"token": "s3cret"}) as it:
        await it.get("/v1/status")
        for path, status in (("/v1/status", 401), ("/metrics", 401), ("/healthz", 200), ("/readyz", 200)):
            async with it.client.get(it.url + path, headers={"authorization": "Bearer wrong"}) as reply:
                assert reply.status == status


async def test_it_is_not_ready_before_it_has_started(desk) -> None:
    async with desk() as it:
        it.sidecar.standing.started = False
        async with it.client.get(it.url + "/readyz") as reply:
            assert reply.status == 503


async def test_acts_wait_for_the_start(desk) -> None:
    async with desk() as it:
        it.sidecar.standing.started = False
        for path, body in (("/v1/phase", {"phase": "shadow"}), ("/v1/tasks/verify", {}), ("/v1/cutover", {})):
            assert await it.post(path, **body) == (503, {"error": "the sidecar starts: it takes commands when it is ready"})
        it.sidecar.standing.started = True
        assert (await it.post("/v1/phase", phase="shadow"))[0] == 200


async def test_acts_never_meet(desk) -> None:
    async with desk("mirror", cutover={"max_hold": 2}) as it:
        it.sidecar.parts.router.hold.take_off()
        it.sidecar.operator._check_gates = lambda phase, decision: None
        change = asyncio.ensure_future(it.post("/v1/cutover"))
        await it.sidecar.until(lambda: it.sidecar.parts.router.hold.holding)
        for path, body in (("/v1/phase", {"phase": "shadow"}), ("/v1/tasks/verify", {}), ("/v1/cutover", {})):
            assert (await it.post(path, **body))[0] == 409
        it.sidecar.parts.router.hold.land()
        assert (await change)[0] == 200


async def test_the_mirror_stops_only_when_no_task_needs_it(desk) -> None:
    async with desk() as it:
        await it.sidecar.ask(put("c", (1, 5.0)))
        it.sidecar.source.scan = _raising(Unavailable("away"))
        await it.post("/v1/tasks/verify")
        status, said = await it.post("/v1/phase", phase="passthrough")
        assert (status, "verify is under way" in said["error"]) == (400, True)
        await it.post("/v1/tasks/verify/cancel")
        assert (await it.post("/v1/phase", phase="passthrough"))[0] == 200
        assert "c" in (await it.get("/v1/status"))["debts"]


async def test_a_debt_under_a_name_that_nobody_knows_closes_its_gate(desk) -> None:
    async with desk("shadow") as it:
        await it.sidecar.parts.debts.mark("stray", "a write that nobody can follow")
        gates = {gate["name"]: gate for gate in (await it.get("/v1/status"))["gates"]}
        assert not gates["verified:stray"]["ok"]
        assert "nobody can follow" in gates["verified:stray"]["why"]


async def test_check_asks_both_sides(desk) -> None:
    async with desk() as it:
        assert (await it.get("/v1/check"))["ok"]
        it.sidecar.target.ping = _raising(Unavailable("nothing listens there"))
        found = await it.get("/v1/check")
        assert not found["ok"]
        assert found["sides"][1]["error"] == "nothing listens there"


async def test_without_a_target_questions_are_answered_and_acts_say_what_is_missing(desk) -> None:
    async with desk("passthrough", target=None) as it:
        await it.sidecar.ask(request("odd", "c"))
        found = await it.get("/v1/check")
        assert found["ok"]
        assert "no target is configured" in found["note"]
        assessed = await it.get("/v1/assess")
        assert assessed["unanswerable"] == {"odd": "1 calls; no meaning in the model"}
        assert "no target is configured" in assessed["note"]
        assert (await it.get("/v1/status"))["target"] is None
        for path, body in (("/v1/phase", {"phase": "mirror"}), ("/v1/tasks/backfill", {})):
            assert (await it.post(path, **body))[0] == 400
        async with it.client.get(it.url + "/v1/plan") as reply:
            assert reply.status == 400
        async with it.client.get(it.url + "/metrics") as reply:
            assert reply.status == 200


async def test_parked_points_are_listed_retried_and_discarded(desk) -> None:
    async with desk() as it:
        from proxy.errors import Refused

        there = it.sidecar.target.put
        it.sidecar.target.put = _raising(Refused("too long"))
        await it.sidecar.ask(put("c", (1, 5.0), (2, 6.0)))
        await it.sidecar.until(lambda: it.sidecar.parts.mirror.status().parked == 2)
        parked = await it.get("/v1/parked")
        assert {item["id"] for item in parked} == {"1", "2"}
        assert "too long" in parked[0]["reason"]
        it.sidecar.target.put = there
        assert len((await it.post("/v1/parked/retry", numbers=[parked[0]["number"]]))[1]) == 1
        assert (await it.post("/v1/parked/discard"))[1] == []
        await it.sidecar.drained()
        assert len((await it.sidecar.both())[1]) == 1
        assert "c" in (await it.get("/v1/status"))["debts"]


async def test_differences_are_shown_until_they_are_mended(desk) -> None:
    async with desk() as it:
        await it.sidecar.ask(put("c", (1, 5.0)))
        await it.sidecar.drained()
        it.sidecar.target._points["c"].clear()
        for task in ("verify", "repair"):
            await it.post(f"/v1/tasks/{task}", collections=["c"])
            await it.sidecar.parts.tasks.wait(task)
            if task == "verify":
                assert (await it.get("/v1/tasks/verify"))["found"] == 1
                assert (await it.get("/v1/diff", collection="c"))["c"]["points"][0]["reason"] == "missing"
        assert (await it.get("/v1/tasks/repair"))["found"] == 0


async def test_the_page_of_the_api_lists_every_path(desk) -> None:
    page = (Path(__file__).parents[3] / "docs" / "admin-api.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `(GET|POST) ([^`?]+)", page, re.MULTILINE))
    async with desk() as it:
        from proxy.control.http import application

        routes = application(it.sidecar.operator, it.sidecar.config.admin).router.routes()
        assert listed == {(route.method, route.resource.canonical) for route in routes if route.method != "HEAD"}


def _raising(error):
    async def call(*_):
        raise error

    return call
