"""Collections of the primary that came there beside the sidecar: the application's are taken over, and so compared like all.

Owns: which ones are the application's. Not: taking over (mirror.adopt), copying (backfill, repair).

| the primary is | the application's are | because |
|---|---|---|
| the source | all that are not left out | it is the application's own database; a start takes them over too |
| a target of the same product | those of a debt | the application's calls are relayed to it, and such a write made the debt |
| another product's target | none | a call that names what we do not know is refused, so no write can have reached it there |
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Final

from proxy.errors import Refused
from proxy.live import Roles
from proxy.mirror.adopt import adopt
from proxy.model.place import Place
from proxy.patience import Patience
from proxy.store.debts import Debts
from proxy.verify.subject import Subject

log = logging.getLogger(__name__)

TAKEN_OVER: Final = (
    "it came to the primary beside the sidecar, and verify has taken it over: copy it by `vecferry backfill {0}` "
    "(or `vecferry repair`), then verify again"
)
REFUSED: Final = (
    "it came to the primary beside the sidecar, and the secondary refuses it ({1}): leave it out "
    "(`routing.collections.{0}.phase: passthrough`) or drop it, then verify again"
)
LEFT_BEHIND: Final = "the source has it and the migration does not know it, so nobody serves it now: roll back, then verify"


async def take_over(subject: Subject, debts: Debts, roles: Roles, patient: Patience) -> list[str]:
    """What was taken over now; each is a debt until it is found equal."""
    taken: list[str] = []
    for name in await _strays(subject, debts, roles, patient):
        try:
            if await patient(adopt, name, roles, subject.catalog, subject.mirror):
                await debts.mark(name, TAKEN_OVER.format(name))
                taken.append(name)
        except Refused as error:
            await debts.mark(name, REFUSED.format(name, error))
    if taken:
        log.warning("collections came to the primary beside the sidecar and are taken over", extra={"collections": taken})
    return taken


async def _strays(subject: Subject, debts: Debts, roles: Roles, patient: Patience) -> list[str]:
    if _cannot_reach(roles):
        return []
    found = await patient(roles.primary.collections)
    await subject.mirror.known_until(subject.mirror.position)
    await subject.mirror.settled(())  # one that the application has just made is in the catalog now
    excluded, owed = subject.catalog.excluded(), debts.all()
    unknown = [name for name in found if not subject.exists(name) and name not in excluded]
    return unknown if roles.place is Place.SOURCE else [name for name in unknown if name in owed]


async def still_owed(names: Collection[str], debts: Debts, roles: Roles, patient: Patience) -> set[str]:
    """Of `names`, which the catalog does not know: those whose debts stand. The others mean nothing any more."""
    if not _cannot_reach(roles):
        return set(names) & set(await patient(roles.primary.collections))
    left_behind = set(names) & set(await patient(roles.secondary.collections))
    for name in left_behind:
        await debts.mark(name, LEFT_BEHIND)
    return left_behind


def _cannot_reach(roles: Roles) -> bool:
    """Whether nothing that the application does touches a collection that we do not know."""
    return roles.place is Place.TARGET and roles.primary.product is not roles.secondary.product
