from __future__ import annotations

import json
from pathlib import Path

import pytest
from aiohttp import web
from fakes.plain_frontend import put, request

from proxy.control import port
from proxy.errors import ConfigError, Unavailable

COMMANDS = (
    ("status",),
    ("check",),
    ("plan",),
    ("assess",),
    ("history",),
    ("diff",),
    ("diff", "c", "--limit", "3"),
    ("parked",),
    ("parked", "retry"),
    ("parked", "discard"),
    ("pause",),
    ("resume",),
    ("phase", "shadow", "--why", "test"),
    ("backfill", "c", "--wait"),
    ("verify", "--wait"),
    ("repair", "--wait"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_every_command_prints_for_people_and_for_scripts(desk, command) -> None:
    async with desk() as it:
        await it.sidecar.ask(put("c", (1, 5.0)))
        await it.sidecar.drained()
        for_people = await it.run(*command)
        assert for_people.exit_code == 0, for_people.output
        assert for_people.output.strip()
        for_scripts = await it.run(*command, "--json")
        assert for_scripts.exit_code == 0
        json.loads(for_scripts.stdout)


async def test_a_whole_migration_by_commands(desk) -> None:
    async with desk(routing={"shadow": 1.0}) as it:
        await it.sidecar.ask(put("c", (1, 5.0)))
        for command in (("backfill", "--wait"), ("verify", "--wait"), ("phase", "canary")):
            assert (await it.run(*command)).exit_code == 0
        refused = await it.run("cutover")
        assert refused.exit_code == 1
        assert "recall:c" in refused.stderr
        assert "overrule one with --force" in refused.stderr
        kinds = [part for gate in ("recall", "tail", "latency", "violations", "errors") for part in ("--force", gate)]
        assert "--force needs --why" in (await it.run("cutover", *kinds)).stderr
        changed = await it.run("cutover", *kinds, "--why", "nobody searches", "--json")
        assert json.loads(changed.stdout)["primary"] == "target"
        assert (await it.run("cutover")).exit_code == 1
        assert (await it.run("rollback")).exit_code == 0
        assert "nobody searches" in (await it.run("history")).stdout


async def test_a_no_is_exit_code_one(desk) -> None:
    async with desk() as it:
        await it.sidecar.ask(put("c", (1, 5.0)))
        await it.sidecar.ask(request("odd", "c"))
        await it.sidecar.drained()
        it.sidecar.target._points["c"].clear()
        it.sidecar.target.ping = _raising(Unavailable("away"))
        for command in (("assess",), ("check",), ("verify", "--wait"), ("diff", "nowhere"), ("phase", "cutover")):
            assert (await it.run(*command)).exit_code == 1, command
        assert (await it.run("verify")).exit_code == 0  # begun; how it ends is not asked
        refused = await it.run("phase", "cutover", "--json")
        assert (refused.exit_code, "use `vecferry cutover`" in json.loads(refused.stdout)["error"]) == (1, True)


async def test_wrong_usage_is_exit_code_two(desk) -> None:
    async with desk() as it:
        for command in (("phase", "shadows"), ("nonsense",), ("parked", "forget"), ("diff", "--limit", "x")):
            assert (await it.run(*command)).exit_code == 2


async def test_nobody_there_is_exit_code_three(desk) -> None:
    async with desk() as it:
        gone = await it.run("status", "--admin", "http://127.0.0.1:1")
        assert gone.exit_code == 3
        assert "cannot reach the admin API at http://127.0.0.1:1" in gone.stderr
        assert "--admin or VECFERRY_ADMIN" in gone.stderr
        assert (await it.run("status", "--admin", "127.0.0.1:9900")).exit_code == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, "<html>"), (404, "<html>"), (401, '{"code": 1800}')],
    ids=["page", "gone", "json"],
)
async def test_another_server_at_the_address_is_told_from_a_sidecar(desk, status, body) -> None:
    async def other(_: web.Request) -> web.Response:
        return web.Response(text=body, status=status, content_type="application/json")

    app = web.Application()
    app.add_routes([web.get("/v1/status", other)])
    stranger = await port.serve(app, "127.0.0.1:0")
    try:
        async with desk() as it:
            told = await it.run("status", "--admin", f"http://{stranger.address}")
    finally:
        await stranger.close()
    assert told.exit_code == 3, told.output
    assert "is not the admin API of a sidecar" in told.stderr


async def test_a_side_that_does_not_answer_is_exit_code_four(desk) -> None:
    async with desk("passthrough") as it:
        it.sidecar.source.ping = _raising(Unavailable("away"))
        assert (await it.run("phase", "mirror")).exit_code == 4


async def test_the_token_is_asked_for(desk) -> None:
    async with desk(admin={"token": "s3cret"}) as it:
        assert (await it.run("status", token="s3cret")).exit_code == 0
        refused = await it.run("status")
        assert refused.exit_code == 1
        assert "VECFERRY_ADMIN_TOKEN" in refused.stderr


async def test_the_status_fits_a_terminal(desk) -> None:
    async with desk("shadow") as it:
        await it.sidecar.ask(put("c", (1, 5.0)))
        it.sidecar.standing.config_error = "the edit was not taken: gates.recal: unknown key"
        await it.sidecar.parts.debts.mark("c", "a test")
        it.sidecar.parts.mirror.pause()
        text = (await it.run("status")).stdout
        assert max(map(len, text.splitlines())) <= 120
        for said in ("phase shadow", "epoch 1", "primary source", "gates.recal", "unverified c: a test", "mirror    paused"):
            assert said in text, text


async def test_a_config_file_is_checked_without_a_sidecar(desk, tmp_path) -> None:
    async with desk() as it:
        file = tmp_path / "c.yaml"
        file.write_text("source: {product: milvus, url: 'http://h:1'}\nlisten: {grpc: ':1'}\nrouting: {fase: mirror}\n")
        wrong = await it.run("config", "check", str(file))
        assert wrong.exit_code == 2
        assert "routing.fase: unknown key; did you mean phase?" in wrong.stderr
        file.write_text("source: {product: milvus, url: 'http://h:1'}\nlisten: {grpc: ':1'}\n")
        assert (await it.run("config", "check", str(file))).exit_code == 0


async def test_the_page_of_settings_is_what_the_command_prints(desk) -> None:
    page = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text("utf-8")
    async with desk() as it:
        assert (await it.run("config", "keys")).stdout == page
    rows = [row.strip("| ").split(" | ") for row in page.splitlines() if row.startswith("| `")]
    assert all(row[-1].strip() for row in rows)


async def test_an_address_that_is_taken_is_told_in_the_systems_words(desk) -> None:
    async with desk() as it:
        with pytest.raises(ConfigError, match=f"cannot listen on {it.admin.address}: Address already in use; another sidecar"):
            await port.serve(web.Application(), it.admin.address)


def _raising(error):
    async def call(*_):
        raise error

    return call
