"""The clients of a run: what they do, seeded, over hot and cold keys, until they are told to stop.

Owns: collections of a prefix of their own, the mix of calls. Not: the words of a product (products.py), what is right
(check.py).
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from proxy.torture.history import Act, Call, Key, Outcome
from proxy.torture.log import Answer, Log, Work
from proxy.torture.products import Application
from proxy.torture.rows import BUCKETS, DEFAULT, Shape, bucket_of, row
from proxy.torture.worker import Worker

HOT: Final = 8
"""Rows that most calls touch, so that calls meet."""
NOWHERE: Final = "nowhere"
"""A partition that does not exist: what is written there must be refused, and be seen nowhere."""
MADE_LIMIT: Final = 300
"""Ids of the server's that are remembered, to be deleted and read."""
PAUSE: Final = 0.03
"""Mean seconds between two calls of a client."""
REST: Final = 0.5
"""After a schema change, and after a call that failed: the server must come to rest, or to life again."""
_EXTRA: Final = "extra"

Move: TypeAlias = tuple[float, Callable[[], Call]]


def shapes(prefix: str) -> dict[str, Shape]:
    """By what they are for."""
    return {
        "rows": Shape(f"{prefix}_rows", "COSINE", ids=200, partitions=(DEFAULT, "other")),
        "filtered": Shape(f"{prefix}_filtered", "L2", ids=60, texts=True),
        "made": Shape(f"{prefix}_made", "IP", made=True),
        "changing": Shape(f"{prefix}_changing", "L2", ids=10),
    }


def create(log: Log, application: Application, shape: Shape, client: int = 0) -> Call:
    def work(_: int) -> Answer:
        application.create(shape)
        return Answer()

    return log.call(client, Act.CREATE, (itself(shape),), work)


def itself(shape: Shape) -> Key:
    """The key of a collection."""
    return Key("", "", shape.name)


def key(shape: Shape, partition: str, number: int) -> Key:
    return Key(shape.name, partition, shape.id(number))


class Desk:
    """One client's calls of one product, recorded."""

    def __init__(self, log: Log, application: Application, client: int) -> None:
        self._log = log
        self._application = application
        self._client = client

    def call(self, act: Act, keys: Sequence[Key], work: Work, note: str = "") -> Call:
        return self._log.call(self._client, act, tuple(keys), work, note)

    def upsert(self, shape: Shape, partition: str, numbers: Sequence[int]) -> Call:
        def work(call: int) -> Answer:
            rows = [row(shape, shape.id(number), call) for number in numbers]
            self._application.upsert(shape.name, partition, rows)
            return Answer()

        return self.call(Act.UPSERT, [key(shape, partition, number) for number in numbers], work)

    def delete(self, keys: Sequence[Key]) -> Call:
        """Of one partition."""

        def work(_: int) -> Answer:
            self._application.delete(keys[0].collection, keys[0].partition, [each.id for each in keys])
            return Answer()

        return self.call(Act.DELETE, keys, work)

    def delete_bucket(self, shape: Shape, partition: str, bucket: int) -> Call:
        def work(_: int) -> Answer:
            self._application.delete_bucket(shape.name, partition, bucket)
            return Answer()

        keys = [key(shape, partition, number) for number in range(shape.ids) if bucket_of(shape.id(number)) == bucket]
        return self.call(Act.DELETE_WHERE, keys, work, f"bucket == {bucket}")

    def read(self, keys: Sequence[Key]) -> Call:
        """Of one partition."""

        def work(_: int) -> Answer:
            found = self._application.read(keys[0].collection, keys[0].partition, [each.id for each in keys])
            return Answer(seen={replace(keys[0], id=each["id"]): each["version"] for each in found})

        return self.call(Act.READ, keys, work)

    def insert(self, shape: Shape, count: int) -> Call:
        def work(call: int) -> Answer:
            ids = self._application.insert(shape.name, [row(shape, None, call)] * count)
            return Answer(keys=tuple(Key(shape.name, DEFAULT, each) for each in ids))

        return self.call(Act.INSERT, [Key(shape.name, DEFAULT, "")], work)

    def drop(self, shape: Shape, *partitions: str) -> Call:
        """The collection with those partitions, all that it has; or the one partition, when it is not the default one."""
        whole = DEFAULT in partitions

        def work(_: int) -> Answer:
            if whole:
                self._application.drop(shape.name)
            else:
                self._application.drop_partition(shape.name, partitions[0])
            return Answer()

        keys = [key(shape, partition, number) for partition in partitions for number in range(shape.ids)]
        return self.call(Act.DROP, [*keys, *([itself(shape)] if whole else [])], work)


class Client(Worker):
    """Steps until it is told to stop."""

    def __init__(self, desk: Desk, chance: random.Random, stop: threading.Event) -> None:
        super().__init__(chance, stop)
        self.desk = desk

    def work(self) -> None:
        while not self.stop.is_set():
            self.step()
        self.finish()

    def step(self) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        """When it was told to stop."""

    def choose(self, moves: Sequence[Move]) -> Call:
        chosen = self.chance.choices([move for _, move in moves], [weight for weight, _ in moves])[0]()
        self.stop.wait(self.chance.uniform(0, REST) if not chosen.acknowledged else self.chance.expovariate(1 / PAUSE))
        return chosen


class Writer(Client):
    """Works on the rows of three collections. `made`: ids of the server's, shared by all writers."""

    def __init__(
        self, desk: Desk, chance: random.Random, stop: threading.Event, of: dict[str, Shape], made: deque[Key]
    ) -> None:
        super().__init__(desk, chance, stop)
        self._of = of
        self._made = made

    def step(self) -> None:
        rows, filtered = self._of["rows"], self._of["filtered"]
        self.choose(
            [
                (0.30, lambda: self.desk.upsert(rows, self._partition(), self._some(rows))),
                (0.10, lambda: self.desk.delete(self._keys(rows))),
                (0.10, lambda: self.desk.read(self._keys(rows))),
                (0.15, lambda: self.desk.upsert(filtered, DEFAULT, self._some(filtered))),
                (0.03, lambda: self.desk.delete(self._keys(filtered))),
                (0.04, lambda: self.desk.delete_bucket(filtered, DEFAULT, self.chance.randrange(BUCKETS))),
                (0.05, lambda: self.desk.read(self._keys(filtered))),
                (0.10, self._insert),
                (0.06, lambda: self._with_made(self.desk.delete)),
                (0.06, lambda: self._with_made(self.desk.read)),
            ]
        )

    def _partition(self) -> str:
        return self.chance.choice(self._of["rows"].partitions)

    def _some(self, shape: Shape) -> list[int]:
        among = range(HOT) if self.chance.random() < 0.6 else range(shape.ids)
        return self.chance.sample(among, self.chance.choice((1, 1, 2, 5)))

    def _keys(self, shape: Shape) -> list[Key]:
        partition = self.chance.choice(shape.partitions)
        return [key(shape, partition, number) for number in self._some(shape)]

    def _insert(self) -> Call:
        call = self.desk.insert(self._of["made"], self.chance.choice((1, 2, 5)))
        if call.acknowledged:
            self._made.extend(call.keys)
        return call

    def _with_made(self, act: Callable[[Sequence[Key]], Call]) -> Call:
        known = list(self._made)
        return act(self.chance.sample(known, min(len(known), 3))) if known else self._insert()


class Changer(Client):
    """Makes and drops a collection and a partition, alone; after a call without an answer it drops what may be there.

    `calm`: held by whoever wants no schema to change meanwhile, as an operator would who verifies and cuts over.
    """

    def __init__(
        self,
        log: Log,
        application: Application,
        chance: random.Random,
        stop: threading.Event,
        shape: Shape,
        calm: threading.Lock,
    ) -> None:
        super().__init__(Desk(log, application, 0), chance, stop)
        self._log = log
        self._application = application
        self._shape = shape
        self._calm = calm
        self._partitions: tuple[str, ...] = ()
        """Those that it has; () while it is not there."""
        self._sure = True

    def step(self) -> None:
        with self._calm:
            self._step()

    def _step(self) -> None:
        if not self._sure:
            gone = self.choose([(1, lambda: self.desk.drop(self._shape, DEFAULT, _EXTRA))])
            self._sure, self._partitions = gone.outcome is not Outcome.UNKNOWN, ()
        elif not self._partitions:
            self._moved(self.choose([(1, lambda: create(self._log, self._application, self._shape))]), (DEFAULT,))
        else:
            self._change()

    def finish(self) -> None:
        """What nobody knows is a bad end. Who waits for this thread gives it its time."""
        while not self._sure:
            self.step()
            time.sleep(REST)

    def _change(self) -> None:
        match self.chance.choices(("rows", "partition", "drop"), (100, 2, 1))[0]:
            case "rows":
                nowhere = (0.1, lambda: self.desk.upsert(self._shape, NOWHERE, self._numbers()))
                self.choose([(3, self._upsert), (1, self._read), nowhere])
            case "partition" if _EXTRA in self._partitions:
                self._moved(self.choose([(1, lambda: self.desk.drop(self._shape, _EXTRA))]), (DEFAULT,))
            case "partition":
                self._moved(self.choose([(1, self._add)]), (DEFAULT, _EXTRA))
            case _:
                self._moved(self.choose([(1, lambda: self.desk.drop(self._shape, *self._partitions))]), ())

    def _moved(self, call: Call, to: tuple[str, ...]) -> None:
        self._sure = call.outcome is Outcome.ACKNOWLEDGED
        self._partitions = to if self._sure else self._partitions
        self.stop.wait(REST)

    def _numbers(self) -> list[int]:
        return self.chance.sample(range(self._shape.ids), 3)

    def _upsert(self) -> Call:
        return self.desk.upsert(self._shape, self.chance.choice(self._partitions), self._numbers())

    def _read(self) -> Call:
        partition = self.chance.choice(self._partitions)
        return self.desk.read([key(self._shape, partition, number) for number in self._numbers()])

    def _add(self) -> Call:
        def work(_: int) -> Answer:
            self._application.add_partition(self._shape.name, _EXTRA)
            return Answer()

        return self.desk.call(Act.CREATE, [], work, f"partition {_EXTRA}")


def clients(
    log: Log,
    connect: Callable[[], Application],
    count: int,
    seed: int,
    of: dict[str, Shape],
    calm: threading.Lock,
    stop: threading.Event,
) -> list[Client]:
    """`count` writers and a changer, not begun."""
    made: deque[Key] = deque(maxlen=MADE_LIMIT)
    desks = (Desk(log, connect(), number) for number in range(1, count + 1))
    writers = [Writer(desk, random.Random(f"{seed}/{number}"), stop, of, made) for number, desk in enumerate(desks, 1)]
    return [*writers, Changer(log, connect(), random.Random(f"{seed}/0"), stop, of["changing"], calm)]
