"""Looks again at the divergences that are known: what is equal by now leaves the ledger, the rest keeps its reason."""

from __future__ import annotations

from collections.abc import AsyncIterator

from proxy.model.point import Key
from proxy.model.schema import Schema
from proxy.store.ledger import Divergence, Ledger
from proxy.verify.comparison import Comparison


async def review(comparison: Comparison, ledger: Ledger, schema: Schema, page: int) -> None:
    async for keys in known(ledger, schema.collection, page):
        await look_again(comparison, ledger, schema, keys)


async def look_again(comparison: Comparison, ledger: Ledger, schema: Schema, keys: tuple[Key, ...]) -> None:
    found = await comparison.persisting(schema, keys)
    await ledger.record([Divergence(key, reason) for key, reason in found.items()])
    await ledger.resolve([key for key in keys if key not in found])


async def known(ledger: Ledger, collection: str, page: int) -> AsyncIterator[tuple[Key, ...]]:
    """The keys in the ledger, a page at a time; each once, though the taker resolves or records some."""
    last: Key | None = None
    while rows := await ledger.page(collection, page, last):
        last = rows[-1].key
        yield tuple(row.key for row in rows)
