"""What the mirror is built from besides its own modules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from proxy.config import MirrorConfig
from proxy.mirror.journal import Journal
from proxy.model.operation import SchemaWrite
from proxy.ports import Backend, Catalog, Clock, Frontend


class ChangingCatalog(Catalog, Protocol):
    """The client's schemas; the mirror applies accepted changes in their order."""

    async def follow(self, change: SchemaWrite, entry: int, *, last: bool) -> None:
        """The mirror has come to this entry, for the `last` time. Idempotent; durable when it returns."""

    def is_ahead(self, entry: int) -> bool:
        """Whether its client saw the change there already."""

    def excluded(self) -> frozenset[str]: ...

    def migrated(self) -> tuple[str, ...]: ...


class DebtBook(Protocol):
    """Collections that verify must pass before anybody may trust their secondary."""

    def all(self) -> dict[str, str]: ...

    async def mark(self, collection: str, why: str) -> None:
        """Durable when it returns."""

    async def clear(self, collection: str) -> None: ...


class UnlandedBook(Protocol):
    """Names at the secondary of which something sent may still land."""

    def all(self) -> frozenset[str]: ...

    async def begin(self, names: Iterable[str]) -> None:
        """Durable when it returns."""

    async def end(self, names: Iterable[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Parts:
    journal: Journal
    frontend: Frontend
    catalog: ChangingCatalog
    debts: DebtBook
    unlanded: UnlandedBook
    roles: Roles
    config: MirrorConfig
    clock: Clock


@dataclass(slots=True)
class Roles:
    """Who is who in this epoch; changes only while nothing is on its way (Mirror.turn)."""

    primary: Backend
    secondary: Backend
    epoch: int
