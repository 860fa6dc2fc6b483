"""Makes the secondary's collections, before anything is written to them."""

from __future__ import annotations

from collections.abc import Iterable

from proxy.errors import Reason, Refused
from proxy.model.operation import CreateCollection, SetAlias
from proxy.ports import Backend, Catalog


async def create_collections(secondary: Backend, catalog: Catalog, names: Iterable[str]) -> None:
    """Idempotent; aliases included. All are looked at before any is made.

    Raises Refused with every refusal of every collection, and AlreadyExists where one stands there with another schema.
    """
    schemas = [catalog.schema(name) for name in names]
    refusals = [f"{fit.collection}: {why}" for fit in map(secondary.fit, schemas) for why in fit.refusals]
    if refusals:
        raise Refused(f"{secondary.product} cannot hold what the source has: {'; '.join(refusals)}", Reason.UNSUPPORTED)
    for schema in schemas:
        await secondary.apply(CreateCollection(schema))
    made = {schema.collection for schema in schemas}
    for alias, collection in catalog.aliases().items():
        if collection in made:
            await secondary.apply(SetAlias(alias, collection))
