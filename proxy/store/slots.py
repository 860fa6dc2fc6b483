"""Which index each of Pinecone's common data ports stands for.

Kept over restarts and shared by all processes of a sidecar, because clients keep an address as long as they run: a port that
stood for one index must not stand for another while the first one exists.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from proxy.errors import Unavailable
from proxy.store.state_dir import write_whole

log = logging.getLogger(__name__)

_FILE: Final = "pinecone.json"


class Slots:
    """In a state directory that is ours. `roles`: of those ports, in their order."""

    def __init__(self, state: Path, roles: tuple[str, ...]) -> None:
        self._path = state / _FILE
        self._roles = roles
        self._taken: dict[str, str] = {}
        self._seen = (0, 0)

    def index(self, role: str) -> str:
        """The one that it stands for; "" where it stands for none."""
        self._look()
        return self._taken.get(role, "")

    def role(self, index: str) -> str:
        """Of the port that stands for the index; "" where none does."""
        self._look()
        return next((role for role, name in self._taken.items() if name == index), "")

    def indexes(self) -> frozenset[str]:
        self._look()
        return frozenset(self._taken.values())

    def take(self, index: str, gone: Collection[str] = (), *, role: str = "") -> str:
        """The port that stands for the index from now on, `role` or any; "" where none is free. `gone`: indexes that there are
        no more, whose ports are taken when no unused one is left."""
        with self._alone():
            if found := self.role(index):
                return found
            wanted = (role,) if role else self._roles
            unused = [each for each in wanted if each not in self._taken]
            left = [each for each, name in self._taken.items() if each in wanted and name in gone]
            if not unused and not left:
                return ""
            chosen = (unused or left)[0]
            # At the end: of the ports that are left, the one that stood for its index longest ago is taken first.
            self._taken.pop(chosen, None)
            self._taken[chosen] = index
            self._keep()
            return chosen

    def _keep(self) -> None:
        try:
            write_whole(self._path, json.dumps(self._taken))
        except Unavailable as error:
            log.warning("after a restart the data ports may stand for no index", extra={"why": str(error)})

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Among the processes of the sidecar. Raises Unavailable."""
        try:
            lock = os.open(self._path.parent, os.O_RDONLY)
        except OSError as error:
            raise Unavailable(f"cannot open {self._path.parent}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _look(self) -> None:
        """Another process may have written. Cheap where none has."""
        try:
            now = os.stat(self._path)
            if (now.st_ino, now.st_mtime_ns) != self._seen:
                kept = json.loads(self._path.read_text("utf-8"))
                # The settings may have fewer ports than they had.
                self._taken = {role: str(name) for role, name in kept.items() if role in self._roles}
                self._seen = (now.st_ino, now.st_mtime_ns)
        except FileNotFoundError:
            return
        except (OSError, ValueError, AttributeError) as error:
            log.warning("which index a data port stands for cannot be read", extra={"why": str(error)})
