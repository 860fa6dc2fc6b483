"""What several sidecars on the same keys need beyond the rules of one, each rule as a change of the code under test.

None of this is in the product: one sidecar owns its pair, and deploy/kubernetes runs one. docs/simulation.md says why each is
needed, with the shortest story of what happens without it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TypeAlias

import pytest

from proxy.backfill.writer import Writer
from proxy.mirror.applier import Applier
from proxy.mirror.entry import Entry
from proxy.mirror.pace import Pace
from proxy.mirror.plan import Plan
from proxy.model.operation import DataWrite, RemoveWhere
from proxy.model.point import Key
from proxy.routing import execute

Change: TypeAlias = Callable[[pytest.MonkeyPatch], None]


def settle_after_direct_writes(patch: pytest.MonkeyPatch) -> None:
    """A key that was written directly is settled: another sidecar may have written it to both sides meanwhile."""
    deliver = Applier._deliver

    async def delivered(self: Applier, plan: Plan) -> None:
        await deliver(self, plan)
        self._dirty.mark(dict.fromkeys(plan.state, "another sidecar may have written it too"))

    patch.setattr(Applier, "_deliver", delivered)


def settle_after_pages(patch: pytest.MonkeyPatch) -> None:
    """Every key of a backfilled page is settled: the window knows the writes of its own sidecar only."""

    async def settled(self: Writer, keys: Collection[Key], since: int) -> None:
        self._mirror.mark_dirty(keys, "another sidecar may have written it meanwhile")
        await self._mirror.settled(keys)

    patch.setattr(Writer, "_settle_overtaken", settled)


def list_on_the_secondary(patch: pytest.MonkeyPatch) -> None:
    """After a write by filter, what the filter selects on the secondary is settled too.

    A point that another sidecar's client wrote between our listing and the write's moment was caught by it unseen. Either its
    state is on the secondary by now, and is found there; or that sidecar has yet to bring it, and looks at the primary after.
    """
    gather = Applier._gather

    async def gathered(self: Applier, lane: object) -> list[tuple[Entry, DataWrite]]:
        batch = await gather(self, lane)  # type: ignore[arg-type]
        for entry, write in batch:
            if isinstance(write, RemoveWhere):
                await _add_there(self, entry, write)
        return batch

    patch.setattr(Applier, "_gather", gathered)


async def _add_there(applier: Applier, entry: Entry, write: RemoveWhere) -> None:
    parts = applier._parts
    pace = Pace(parts.clock, parts.config.retry_max)
    there = await pace.insist(
        functools.partial(execute.matching, parts.roles.secondary, write, parts.config.filter_expand_limit)
    )
    if entry.intent is not None and entry.intent.keys is not None and there is not None:
        entry.intent = replace(entry.intent, keys=(*entry.intent.keys, *there))


FLEET: Mapping[str, Change] = {
    change.__name__: change for change in (settle_after_direct_writes, settle_after_pages, list_on_the_secondary)
}
