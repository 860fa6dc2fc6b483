"""Takes over a collection of the primary that came there beside the sidecar. Not: whether it is the application's."""

from __future__ import annotations

from proxy.errors import NotFound
from proxy.live import LiveWrites, Roles
from proxy.model.operation import CreateCollection, SchemaWrite, SetAlias
from proxy.store.catalog import StoredCatalog


async def adopt(name: str, roles: Roles, catalog: StoredCatalog, mirror: LiveWrites) -> bool:
    """It and its aliases are in the catalog, and at the secondary unless it is left out; no point is copied. False: it is gone,
    or known by now. Raises what the sides raise.
    """
    aliases = [alias for alias, collection in (await roles.primary.aliases()).items() if collection == name]
    async with mirror.sending(name, *aliases):
        if name in catalog.collections():
            return False
        try:
            schema = await roles.primary.describe(name)
        except NotFound:
            return False
        changes: list[SchemaWrite] = [CreateCollection(schema), *(SetAlias(alias, name) for alias in aliases)]
        for change in changes:
            if name not in catalog.excluded():
                await roles.secondary.apply(change)
            await catalog.apply(change)
    return True
