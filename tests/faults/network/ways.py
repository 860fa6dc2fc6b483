"""A sidecar all of whose ways lead through fault proxies, a target that can be wrong as well, and beside it the way that an
application takes without a sidecar.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from pymilvus import MilvusClient

from tests.migration.judge import Sides, sides
from tests.migration.shelf import Shelf
from tests.migration.world import clear
from tests.servers.fault_proxy import FaultProxy
from tests.servers.moods import Mood
from tests.servers.qdrant import QdrantServer
from tests.servers.sidecar import Sidecar
from tests.servers.wrong_grpc import WrongGrpc

OWN_CALLS: Final = "2s"
"""How long the sidecar waits for an answer to a call of its own."""


class Place(StrEnum):
    """Between the sidecar and whom."""

    CLIENT = "client"
    SOURCE = "source"
    TARGET = "target"


class Ways:
    """`direct` speaks with the source past everything. The sidecar mirrors from the start, with `settings` over its own.
    `program`: what is started instead of `vecferry`.

    The source is emptied first: a sidecar moves whatever it finds.
    """

    def __init__(self, source_url: str, folder: Path, *, program: Sequence[str] = (), **settings: Any) -> None:
        self._stack = ExitStack()
        self._source_url = source_url
        self._folder = folder
        self._program = program
        self._settings = settings
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.direct = MilvusClient(uri=self._source_url)
            stack.callback(self.direct.close)
            clear(self.direct)
            self.target = stack.enter_context(QdrantServer(self._folder / "qdrant"))
            self.wrong = stack.enter_context(WrongGrpc(self.target.grpc_url))
            before_target = stack.enter_context(FaultProxy(self.wrong.url))
            before_source = stack.enter_context(FaultProxy(self._source_url))
            made = Sidecar(self._folder / "sidecar", before_source.url, self.target, **self._settings)
            made.settings["source"]["timeout"] = OWN_CALLS
            made.settings["target"] |= {"grpc_url": before_target.url, "timeout": OWN_CALLS}
            made.settings["routing"] = {"phase": "mirror", "shadow": 1.0}
            made.program = list(self._program) or made.program
            self.sidecar = stack.enter_context(made)
            before_sidecar = stack.enter_context(FaultProxy(self.sidecar.url))
            self.past = stack.enter_context(FaultProxy(self._source_url))
            self.proxies = {Place.CLIENT: before_sidecar, Place.SOURCE: before_source, Place.TARGET: before_target}
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """The application's connection string."""
        return self.proxies[Place.CLIENT].url

    @contextmanager
    def shelf(self, numbers: int, *, mirrored: bool) -> Iterator[Shelf]:
        """Made, filled and dropped by an application, or past the sidecar, which then knows nothing of it."""
        made = Shelf(f"{'books' if mirrored else 'others'}_{next(self._numbers)}")
        client = MilvusClient(uri=self.sidecar.url) if mirrored else self.direct
        try:
            made.create(client)
            made.fill(client, range(numbers))
            yield made
            client.drop_collection(made.name)
        finally:
            if mirrored:
                client.close()

    @contextmanager
    def failing(self, place: Place, mood: Mood) -> Iterator[None]:
        """The way past the sidecar fails as the application's own does."""
        with ExitStack() as stack:
            stack.enter_context(self.proxies[place].failing(mood))
            if place is not Place.TARGET:
                stack.enter_context(self.past.failing(mood))
            yield

    def sides(self, collection: str) -> Sides:
        client = self.target.client(prefer_grpc=False)
        try:
            return sides(self.direct, client, collection)
        finally:
            client.close()
