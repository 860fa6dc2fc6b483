"""What every client of a run did and was told, kept line by line while it happens.

Owns: the records and their file, which outlives the run for a post-mortem. Not: whether they make sense (check.py).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

import orjson

Id: TypeAlias = int | str
Value: TypeAlias = int | None
"""The number of the call that wrote it; None: not there."""
FOREVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Key:
    """A row. With collection "": the collection called `id` itself, there or not."""

    collection: str
    partition: str
    id: Id

    def __str__(self) -> str:
        return f"{self.collection}/{self.partition}/{self.id}" if self.collection else f"collection {self.id}"


class Act(StrEnum):
    UPSERT = "upsert"
    INSERT = "insert"
    """The server makes the ids, so an insert that nobody answered has none."""
    DELETE = "delete"
    DELETE_WHERE = "delete by filter"
    CREATE = "create"
    DROP = "drop"
    """A collection or a partition with all its rows."""
    READ = "read"


class Outcome(StrEnum):
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Call:
    """`keys`: all that it may touch: of a delete by filter those that the filter fits, of a drop those that were in it.

    `begin`, `end`: seconds of the run, from the request to what the client was told; FOREVER where it was told nothing.
    `epochs`: what the admin API had told the client by then. `seen`: of a read; a key that is not in it was not there.
    """

    number: int
    client: int
    act: Act
    keys: tuple[Key, ...]
    begin: float
    end: float = FOREVER
    outcome: Outcome = Outcome.UNKNOWN
    epochs: tuple[int, int] = (0, 0)
    seen: Mapping[Key, Value] = field(default_factory=dict)
    note: str = ""

    @property
    def acknowledged(self) -> bool:
        return self.outcome is Outcome.ACKNOWLEDGED


@dataclass(frozen=True, slots=True)
class Change:
    """A change of primary that this run asked for: the primary of `epoch` answers from some moment between both times on."""

    epoch: int
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class History:
    calls: tuple[Call, ...]
    changes: tuple[Change, ...] = ()


class Recorder:
    """Writes a history. A call that has only begun when we die is read back as unknown. Safe for threads."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._lock = threading.Lock()

    def begun(self, call: Call) -> None:
        keys = [_listed(key) for key in call.keys]
        self._write({"begun": {**_plain(call, "number", "client", "act", "begin", "note"), "keys": keys}})

    def ended(self, call: Call) -> None:
        """With the keys that are known now."""
        seen = [[*_listed(key), value] for key, value in call.seen.items()]
        keys = [_listed(key) for key in call.keys] if call.act is Act.INSERT else None
        told = _plain(call, "number", "end", "outcome", "epochs", "note")
        self._write({"ended": {**told, "seen": seen} | ({"keys": keys} if keys is not None else {})})

    def changed(self, change: Change) -> None:
        self._write({"changed": asdict(change)})

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, line: dict[str, Any]) -> None:
        with self._lock:
            self._file.write(orjson.dumps(line) + b"\n")
            self._file.flush()


def read(path: Path) -> History:
    """What a Recorder wrote; the last line may be cut off."""
    begun: dict[int, dict[str, Any]] = {}
    changes: list[Change] = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        for what, said in orjson.loads(line).items():
            if what == "changed":
                changes.append(Change(**said))
            else:
                begun.setdefault(said["number"], {}).update(said)
    return History(tuple(_call(said) for said in begun.values()), tuple(changes))


def _call(said: Mapping[str, Any]) -> Call:
    told = {name: value for name, value in said.items() if name not in ("keys", "seen", "act", "outcome", "epochs", "end")}
    return Call(
        act=Act(said["act"]),
        keys=tuple(Key(*key) for key in said["keys"]),
        seen={Key(*key): value for *key, value in said.get("seen", ())},
        outcome=Outcome(said.get("outcome", Outcome.UNKNOWN)),
        epochs=tuple(said.get("epochs", (0, 0))),
        end=said.get("end", FOREVER),
        **told,
    )


def _listed(key: Key) -> Sequence[Any]:
    return [key.collection, key.partition, key.id]


def _plain(call: Call, *names: str) -> dict[str, Any]:
    values = ((name, getattr(call, name)) for name in names)
    return {name: value for name, value in values if value != FOREVER}
