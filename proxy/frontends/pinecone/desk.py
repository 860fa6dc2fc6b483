"""Stands before the router where the source is Pinecone: finds out which index a data request is for, and tells clients our
addresses instead of the indexes' own. docs/passthrough.md tells why it is done so.

Owns: what is remembered of the indexes' places. Not: forms of names (proxy.pinecone.hosts), replies (rewriting).
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from proxy.errors import NotFound, ProxyError, Refused
from proxy.frontends.pinecone.rewriting import Rewritten, tells_hosts
from proxy.pinecone.hosts import CONTROL, Names, as_url, index_of, is_name, role_of
from proxy.ports import Clock, Exchange, Frontend, Handler, Headers, Reply, Request

log = logging.getLogger(__name__)

FRESH: Final = 60.0
"""Seconds after which an index's place is asked for again, beside the requests: one may be deleted and made elsewhere."""
REMEMBERED: Final = 10_000
"""Places, by credentials and index."""
_CREDENTIALS: Final = (b"api-key", b"authorization")
Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None]], object]


class Directory(Protocol):
    """Raises Refused, NotFound and Unavailable."""

    async def host(self, index: str, credentials: Mapping[str, str]) -> str: ...

    async def hosts(self, credentials: Mapping[str, str]) -> dict[str, str]: ...


class Slots(Protocol):
    """Which index each common port stands for; see store.slots."""

    def index(self, role: str) -> str: ...

    def role(self, index: str) -> str: ...

    def indexes(self) -> frozenset[str]: ...

    def take(self, index: str, gone: Collection[str] = (), *, role: str = "") -> str: ...


@dataclass(frozen=True, slots=True)
class Around:
    """What the desk works with. `spawn` owns what it waits for."""

    frontend: Frontend
    names: Names
    directory: Directory
    slots: Slots
    spawn: Spawn
    clock: Clock


class Desk:
    """ports.Handler."""

    def __init__(self, inside: Handler, around: Around) -> None:
        self._inside = inside
        self._around = around
        self._names = around.names
        self._slots = around.slots
        self._places: OrderedDict[tuple[bytes, str], tuple[str, float]] = OrderedDict()
        self._asking: set[tuple[bytes, str]] = set()

    def begin(self, exchange: Exchange, role: str) -> None:
        if role == CONTROL:
            self._control(exchange)
            return
        headers = exchange.headers()
        named = index_of(role) or self._names.meant(exchange.authority.decode("latin-1"))
        index = named or self._slots.index(role)
        place = self._places.get((_digest(headers), index))
        if place is None:
            self._around.spawn(self._find(exchange, role, named, headers))
            return
        url, known = place
        if self._around.clock.monotonic() - known > FRESH:
            self._refresh(index, headers)
        self._inside.begin(exchange, role_of(index, url))

    def _control(self, exchange: Exchange) -> None:
        if tells_hosts(exchange.path):
            told = functools.partial(self._told, exchange.headers(), exchange.authority.decode("latin-1"))
            exchange = Rewritten(exchange, told, self._around.spawn)
        self._inside.begin(exchange, CONTROL)

    # ---- where an index is ----

    async def _find(self, exchange: Exchange, role: str, named: str, headers: Headers) -> None:
        try:
            index, url = await (self._named(named, headers) if named else self._unnamed(role, headers))
        except ProxyError as error:
            exchange.serve(functools.partial(self._refuse, error))
        else:
            self._inside.begin(exchange, role_of(index, url))

    async def _named(self, index: str, headers: Headers) -> tuple[str, str]:
        return index, await self._place(index, headers)

    async def _refuse(self, error: ProxyError, request: Request) -> Reply:
        return self._around.frontend.refuse(request, error)

    async def _unnamed(self, role: str, headers: Headers) -> tuple[str, str]:
        if index := self._slots.index(role):
            with suppress(NotFound):
                return await self._named(index, headers)
        # Nobody was told this address for an index that there is: it can only be meant for the one that nobody was told of.
        there = await self._around.directory.hosts(_credentials(headers))
        untold = [name for name in there if not self._names.has_port(name) and not self._slots.role(name)]
        if len(untold) != 1 or not self._slots.take(untold[0], self._gone(there), role=role):
            raise Refused(
                "nothing says which index this request is for: take the index's host from the control plane, or give the index "
                "a port (listen: data.INDEX) or a name (pinecone.data_host)"
            )
        return await self._named(untold[0], headers)

    def _gone(self, there: Collection[str]) -> frozenset[str]:
        return self._slots.indexes() - frozenset(there)

    async def _place(self, index: str, headers: Headers) -> str:
        url = as_url(await self._around.directory.host(index, _credentials(headers)))
        if not url:
            raise NotFound(f"the index {index} has no host yet")
        self._remember(index, url, headers)
        return url

    def _remember(self, index: str, url: str, headers: Headers) -> None:
        key = (_digest(headers), index)
        self._places[key] = (url, self._around.clock.monotonic())
        self._places.move_to_end(key)
        if len(self._places) > REMEMBERED:
            self._places.popitem(last=False)

    def _refresh(self, index: str, headers: Headers) -> None:
        key = (_digest(headers), index)
        if key not in self._asking:
            self._asking.add(key)
            self._around.spawn(self._look_again(key, index, headers))

    async def _look_again(self, key: tuple[bytes, str], index: str, headers: Headers) -> None:
        try:
            await self._place(index, headers)
        except NotFound:
            self._places.pop(key, None)
        except ProxyError as error:
            log.warning("the place of an index cannot be asked for again", extra={"index": index, "why": str(error)})
        finally:
            self._asking.discard(key)

    # ---- what clients are told ----

    async def _told(self, headers: Headers, authority: str, hosts: Mapping[str, str], whole: bool) -> Mapping[str, str]:
        for name, host in hosts.items():
            if is_name(name) and (url := as_url(host)):
                self._remember(name, url, headers)
        slots = {name: await self._slot(name, hosts if whole else None, headers) for name in hosts}
        return {name: self._names.told(name, authority, slot) for name, slot in slots.items()}

    async def _slot(self, index: str, there: Collection[str] | None, headers: Headers) -> str:
        """The common port that stands for the index; "" where it needs none, or where none is left."""
        if self._names.template or self._names.has_port(index):
            return ""
        if found := self._slots.role(index):
            return found
        try:
            if found := self._slots.take(index) or await self._left(index, there, headers):
                return found
            why = "listen.data has no port left"
        except ProxyError as error:
            why = str(error)
        log.warning(
            "an index goes by a name under localhost, which not every resolver knows", extra={"index": index, "why": why}
        )
        return ""

    async def _left(self, index: str, there: Collection[str] | None, headers: Headers) -> str:
        """A port of an index that there is no more."""
        if there is None:
            there = await self._around.directory.hosts(_credentials(headers))
        return self._slots.take(index, self._gone(there))


def _credentials(headers: Headers) -> dict[str, str]:
    return {name.decode(): value.decode("latin-1") for name, value in headers if name in _CREDENTIALS}


def _digest(headers: Headers) -> bytes:
    """Of the credentials: keys themselves are not kept."""
    told = hashlib.blake2b(digest_size=16)
    for name, value in headers:
        if name in _CREDENTIALS:
            told.update(name + b"\0" + value + b"\0")
    return told.digest()
