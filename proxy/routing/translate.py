"""Runs a client's calls on a side of another product: decode, journal, execute, encode.

Owns: the order of these steps, what each failure leaves behind, the patience with a side that is away for a moment.
Not: whether a call is translated (plan), nor how (frontends), nor the calls of a backend (execute).
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeVar

from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential

from proxy import reads
from proxy.errors import ProxyError, Refused, Unavailable, Uncertain
from proxy.mirror.mirror import Listing, Ticket
from proxy.model.operation import (
    Batch,
    DataWrite,
    Done,
    Edit,
    EditWhere,
    Patch,
    Put,
    PutIf,
    Read,
    Remove,
    RemoveWhere,
    SchemaWrite,
    Write,
    collection_of,
    keys_of,
    named_keys,
    selections,
)
from proxy.model.point import Key
from proxy.ports import Backend, Clock, Frontend, Outcome, Reply, Request, Route
from proxy.routing import execute
from proxy.routing.mark import reached
from proxy.routing.taps import WritePath
from proxy.routing.turnstile import Turnstile
from proxy.store.catalog import StoredCatalog

T = TypeVar("T")

_ALONE: Final = (Patch, PutIf, Edit, EditWhere, Batch)
"""They read, decide, and write back: nothing may write in between."""


class Translator:
    """Every call raises ProxyError where it fails; the router says it in the client's protocol.

    `bridge`: seconds that a call waits for a primary that is away. `expand_limit`: keys that a write by filter may touch.
    """

    def __init__(self, path: WritePath, catalog: StoredCatalog, clock: Clock, *, bridge: float, expand_limit: int) -> None:
        self._path = path
        self._frontend: Frontend = path.frontend
        self._mirror = path.mirror
        self._catalog = catalog
        self._clock = clock
        self._bridge = bridge
        self._expand_limit = expand_limit
        self._turnstiles: defaultdict[str, Turnstile] = defaultdict(Turnstile)

    async def read(self, backend: Backend, request: Request) -> Reply:
        """From a secondary: what fails, fails at once."""
        operation = self._read_of(request)
        return self._frontend.encode(request, operation, await reads.answer(backend, operation, self._catalog), self._catalog)

    async def read_primary(self, backend: Backend, request: Request) -> Reply:
        operation = self._read_of(request)
        result = await self._bridged(lambda: reads.answer(backend, operation, self._catalog))
        return self._frontend.encode(request, operation, result, self._catalog)

    async def write(self, backend: Backend, request: Request, route: Route, role: str, *, mirrored: bool) -> Reply:
        """What may have been applied is in the journal, whatever is raised."""
        operation = self._write_of(request)
        async with self._turn(operation):
            listing = await self.listing(backend, operation)
            if not mirrored:
                return self._said(request, operation, await self._run(backend, operation, listing, None))
            ticket = await self._journaled(request, route, role, listing, operation)
            try:
                reply = self._said(request, operation, await self._run(backend, operation, listing, ticket))
            except BaseException as error:
                self._give_up(ticket, operation, listing, error)
                raise
            self._mirror.end(ticket, Outcome.ACCEPTED, reply)
        fault = await self._path.applied(ticket, request)
        await reached(ticket.when_durable)
        if fault is not None:
            raise fault
        return reply

    async def listing(self, backend: Backend, operation: Write | Read) -> Listing | None:
        """The keys that a write by filter may touch; None for other writes, and where they are too many to list."""
        if isinstance(operation, Read) or not (wanted := selections(operation)):
            return None
        since = self._mirror.position
        keys = dict.fromkeys(named_keys(operation) if isinstance(operation, Batch) else ())
        for selection in wanted:
            limit = self._expand_limit - len(keys)
            found = await self._bridged(functools.partial(execute.matching, backend, selection, limit))
            if found is None:
                return None
            keys |= dict.fromkeys(found)
        return Listing(tuple(keys), since)

    # ---- inside ----

    def _read_of(self, request: Request) -> Read:
        operation = self._frontend.decode(request, self._catalog)
        if not isinstance(operation, Read):
            raise TypeError(f"{request.path!r} is routed as a read and means {type(operation).__name__}")
        return operation

    def _write_of(self, request: Request) -> Write:
        operation = self._frontend.decode(request, self._catalog)
        if isinstance(operation, Read):
            raise TypeError(f"{request.path!r} is routed as a write and means {type(operation).__name__}")
        return operation

    def _said(self, request: Request, operation: Write, done: Done) -> Reply:
        return self._frontend.encode(request, operation, done, self._catalog)

    async def _run(self, backend: Backend, operation: Write, listing: Listing | None, ticket: Ticket | None) -> Done:
        if isinstance(operation, DataWrite):
            return await self._bridged(lambda: _write(backend, operation, listing))
        return await self._change(backend, operation, ticket)

    async def _change(self, backend: Backend, change: SchemaWrite, ticket: Ticket | None) -> Done:
        await self._bridged(lambda: backend.apply(change))
        await self._catalog.apply_ahead(change, None if ticket is None else ticket.seq)
        return Done()

    async def _journaled(self, request: Request, route: Route, role: str, listing: Listing | None, operation: Write) -> Ticket:
        await self._mirror.room()
        collection = collection_of(operation) if isinstance(operation, DataWrite) else ""
        ticket = self._mirror.begin(request, route, role, listing=listing, collection=collection)
        try:
            await reached(ticket.when_written)
        except BaseException:
            self._mirror.end(ticket, Outcome.REFUSED, None)
            raise
        return ticket

    def _give_up(self, ticket: Ticket, operation: Write, listing: Listing | None, error: BaseException) -> None:
        """Nothing more of it can land where the side has answered; but some of its points may have been written."""
        keys = _touched(operation, listing, error)
        if keys is None:
            self._mirror.end(ticket, Outcome.UNKNOWN, None)
        else:
            self._mirror.mark_dirty(keys, f"a write that failed on the primary: {error}")
            self._mirror.end(ticket, Outcome.REFUSED, None)

    def _turn(self, operation: Write) -> AbstractAsyncContextManager[None]:
        turnstile = self._turnstiles[collection_of(operation)]
        return turnstile.alone() if isinstance(operation, _ALONE) else turnstile.together()

    async def _bridged(self, work: Callable[[], Awaitable[T]]) -> T:
        """Tries again while the side takes nothing: the application does not see a short outage. Writes are of state."""
        retrying = AsyncRetrying(
            sleep=self._clock.sleep,
            retry=retry_if_exception(lambda error: isinstance(error, Unavailable) and not isinstance(error, Uncertain)),
            stop=stop_after_delay(self._bridge),
            wait=wait_exponential(0.05, max=1.0),
            reraise=True,
        )

        async def attempt() -> T:  # tenacity awaits only what is a coroutine function by its looks
            return await work()

        return await retrying(attempt)


def _touched(operation: Write, listing: Listing | None, error: BaseException) -> frozenset[Key] | None:
    """What a write that ended so may have changed; None where only the primary can say, now or later."""
    match operation:
        case _ if not isinstance(error, ProxyError) or isinstance(error, Uncertain):
            return None
        case RemoveWhere() | EditWhere() | Batch() if selections(operation):
            return None if listing is None else frozenset(listing.keys)
        case Put() | Patch() | PutIf() | Remove() | Edit() | Batch():
            return keys_of(operation)
        case _:
            return frozenset() if isinstance(error, Refused) else None


async def _write(backend: Backend, operation: DataWrite, listing: Listing | None) -> Done:
    if isinstance(operation, RemoveWhere | EditWhere) and listing is None:
        return await execute.in_pages(backend, operation)
    return await execute.write(backend, operation, listing.keys if listing else ())
