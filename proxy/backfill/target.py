"""Makes the secondary's collections, before anything is written to them."""

from __future__ import annotations

from collections.abc import Iterable

from proxy.errors import Reason, Refused
from proxy.live import LiveWrites
from proxy.model.operation import CreateCollection, SetAlias
from proxy.ports import Backend, Catalog


async def create_collections(secondary: Backend, catalog: Catalog, names: Iterable[str], mirror: LiveWrites) -> None:
    """Idempotent; aliases included. All are looked at before any is made; what the application drops meanwhile is not made.

    Raises Refused with every refusal of every collection, and AlreadyExists where one stands there with another schema.
    """
    schemas = [catalog.schema(name) for name in names if name in catalog.collections()]
    refusals = [f"{fit.collection}: {why}" for fit in map(secondary.fit, schemas) for why in fit.refusals]
    if refusals:
        raise Refused(f"{secondary.product} cannot hold what the source has: {'; '.join(refusals)}", Reason.UNSUPPORTED)
    for name in (schema.collection for schema in schemas):
        async with mirror.sending(name):
            if name in catalog.collections():
                await secondary.apply(CreateCollection(catalog.schema(name)))
    made = {schema.collection for schema in schemas}
    for alias, collection in tuple(catalog.aliases().items()):
        async with mirror.sending(alias, collection):
            if collection in made and catalog.aliases().get(alias) == collection:
                await secondary.apply(SetAlias(alias, collection))
