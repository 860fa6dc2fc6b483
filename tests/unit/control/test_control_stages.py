"""What is done before a phase is entered."""

from __future__ import annotations

from pathlib import Path

from fakes.plain_frontend import put, request, schema_of
from fakes.sidecar import Sidecar

from proxy.model.operation import CreateCollection, DropCollection, SetAlias


async def test_a_verified_collection_that_the_target_lost_is_made_anew_and_owed(tmp_path: Path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        await sidecar.ask(put("c", (1, 5.0)))
        await sidecar.drained()
        await sidecar.parts.debts.settle("c", since=sidecar.parts.debts.number(), epoch=1, points=1)
        await sidecar.target.apply(DropCollection("c"))
        await sidecar.parts.stages.prepare()
        assert await sidecar.both() == ({1: 5.0}, {})
        assert "the target had lost it" in sidecar.parts.debts.all()["c"]


async def test_a_collection_that_comes_while_the_mirror_starts_is_taken_over_with_its_aliases(tmp_path: Path) -> None:
    async with Sidecar(tmp_path, "passthrough") as sidecar:
        found = sidecar.parts.router.enter

        def enter(phase):
            """The last moment at which a client's change is not mirrored."""
            sidecar.source._create(schema_of("d"))
            sidecar.source._alias(SetAlias("a", "d"))
            found(phase)

        sidecar.parts.router.enter = enter  # type: ignore[method-assign]
        await sidecar.operator.enter("mirror", "test", "test")
        assert await sidecar.target.collections() == ("c", "d")
        assert await sidecar.target.aliases() == sidecar.parts.catalog.aliases() == {"a": "d"}


async def test_what_is_made_on_the_target_already_stays_as_it_is(tmp_path: Path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        await sidecar.ask(request("create", "d"))
        await sidecar.drained()
        await sidecar.parts.stages.prepare()
        await sidecar.target.apply(CreateCollection(schema_of("d")))
        assert sidecar.parts.debts.all() == {}
