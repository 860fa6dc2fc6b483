"""Runs a client's calls on a side of another product: decode, journal, execute, encode.

Owns: the order of these steps, what each failure leaves behind. Not: whether a call is translated (plan), nor how (frontends).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from proxy.errors import ProxyError
from proxy.mirror.mirror import Listing, Mirror, Ticket
from proxy.model.operation import (
    Count,
    DataWrite,
    Done,
    Fetch,
    Opaque,
    Patch,
    Put,
    Read,
    Remove,
    RemoveWhere,
    Scan,
    SchemaWrite,
    Search,
    Write,
    collection_of,
)
from proxy.ports import Backend, Frontend, Outcome, Reply, Request, Route
from proxy.routing import execute
from proxy.routing.turnstile import Turnstile
from proxy.store.catalog import StoredCatalog

_READS = (Search, Fetch, Scan, Count)
_DATA_WRITES = (Put, Remove, RemoveWhere, Patch, Opaque)


class Translator:
    """Every call raises ProxyError where it fails; the router says it in the client's protocol."""

    def __init__(self, frontend: Frontend, catalog: StoredCatalog, mirror: Mirror, expand_limit: int) -> None:
        self._frontend = frontend
        self._catalog = catalog
        self._mirror = mirror
        self._expand_limit = expand_limit
        self._turnstiles: defaultdict[str, Turnstile] = defaultdict(Turnstile)

    async def read(self, backend: Backend, request: Request) -> Reply:
        """Raises ProxyError: a canary read falls back then."""
        operation = self._frontend.decode(request, self._catalog)
        if not isinstance(operation, _READS):
            raise TypeError(f"{request.path!r} is routed as a read and means {type(operation).__name__}")
        result = await execute.read(backend, operation)
        return self._frontend.encode(request, operation, result, self._catalog)

    async def write(self, backend: Backend, request: Request, route: Route, role: str, *, mirrored: bool) -> Reply:
        """Raises ProxyError where the write was refused or failed; what may have been applied is in the journal then."""
        operation = self._frontend.decode(request, self._catalog)
        async with self._turn(operation):
            listing = await self.listing(backend, operation)
            ticket = await self._journaled(request, route, role, listing) if mirrored else None
            try:
                done = await self._run(backend, operation, listing)
                reply = self._frontend.encode(request, operation, done, self._catalog)
            except BaseException:
                # Refused or not, some of its points may have been written: the mirror settles them all.
                self._end(ticket, Outcome.UNKNOWN, None)
                raise
            self._end(ticket, Outcome.ACCEPTED, reply if route.needs_reply else None)
            if ticket is not None:
                await _mark(ticket.when_durable)
        return reply

    async def listing(self, backend: Backend, operation: Write | Read) -> Listing | None:
        """The keys that a write by filter selects; None for other writes, and where they are too many to list."""
        if not isinstance(operation, RemoveWhere):
            return None
        since = self._mirror.position
        keys = await execute.matching(backend, operation, self._expand_limit)
        return None if keys is None else Listing(keys, since)

    async def _run(self, backend: Backend, operation: Write | Read, listing: Listing | None) -> Done:
        if isinstance(operation, _DATA_WRITES):
            return await self._write(backend, operation, listing)
        if isinstance(operation, _READS):
            raise TypeError(f"a write means {type(operation).__name__}")
        return await self._change(backend, operation)

    async def _write(self, backend: Backend, operation: DataWrite, listing: Listing | None) -> Done:
        if isinstance(operation, RemoveWhere) and listing is None:
            return await self._remove_in_pages(backend, operation)
        return await execute.write(backend, operation, listing.keys if listing else ())

    async def _remove_in_pages(self, backend: Backend, write: RemoveWhere) -> Done:
        removed = 0
        scan = Scan(
            write.collection,
            execute.LISTING_PAGE,
            filter=write.filter,
            partitions=write.partitions,
            fields=(),
            vector_names=(),
        )
        while (page := await backend.scan(scan)).points:
            await backend.remove(tuple(point.key for point in page.points))
            removed += len(page.points)
        return Done(count=removed)

    async def _change(self, backend: Backend, change: SchemaWrite) -> Done:
        await backend.apply(change)
        # The client may ask for it with its next call; the mirror applies it once more in its order, harmlessly.
        await self._catalog.apply(change)
        return Done()

    async def _journaled(self, request: Request, route: Route, role: str, listing: Listing | None) -> Ticket:
        await self._mirror.room()
        ticket = self._mirror.begin(request, route, role, listing=listing)
        try:
            await _mark(ticket.when_written)
        except BaseException:
            self._end(ticket, Outcome.REFUSED, None)
            raise
        return ticket

    def _end(self, ticket: Ticket | None, outcome: Outcome, reply: Reply | None) -> None:
        if ticket is not None:
            self._mirror.end(ticket, outcome, reply)

    def _turn(self, operation: Write | Read) -> AbstractAsyncContextManager[None]:
        turnstile = self._turnstiles[collection_of(operation)]
        return turnstile.alone() if isinstance(operation, Patch) else turnstile.together()


async def _mark(register: Callable[[Callable[[ProxyError | None], None]], None]) -> None:
    """Waits for a mark of a ticket; raises its error."""
    reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def call(error: ProxyError | None) -> None:
        if reached.done():
            return
        if error is None:
            reached.set_result(None)
        else:
            reached.set_exception(error)

    register(call)
    await reached
