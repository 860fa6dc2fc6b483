"""Programs of other people's packages as processes, all playing the same turns at once; and how what they saw is compared."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

from tests import environments
from tests.servers.process import dying_with_parent

PROGRAMS: Final = Path(__file__).parent / "programs"
PINS: Final = Path(__file__).parent / "pins"
NEAR: Final = 1e-5
END_SECONDS: Final = 10
Saw: TypeAlias = dict[str, Any]


def python(environment: str, *command: str) -> Callable[[], list[str]]:
    """A program in the environment of these pins, which is made by whoever asks first. May raise NoClient.

    The pins are whole, but for what only an embedded Milvus needs (milvus-lite, pyarrow, faiss): half the size.
    """
    pins = (PINS / f"{environment}.txt").read_text().split()
    return lambda: [str(environments.python(environment, "--no-deps", *pins)), "-W", "ignore", *command]


def ours(*command: str) -> Callable[[], list[str]]:
    return lambda: [sys.executable, *command]


def node(environment: str, package: str, *command: str) -> Callable[[], list[str]]:
    return lambda: ["node", *command, str(environments.node(environment, package))]


class Player:
    """A program that waits for its next turn."""

    def __init__(self, command: list[str], log: Path) -> None:
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                dying_with_parent(command),
                cwd=PROGRAMS,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._log = log

    def take(self, at: tuple[str, ...], collection: str, turn: int) -> Saw:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"at": at, "collection": collection, "turn": turn}), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a program died: {self._log.read_text(errors='replace')[-2000:]}")
        saw: Saw = json.loads(line)
        return saw

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=END_SECONDS)


class Cast:
    """All programs, by name. They end with it."""

    def __init__(self, programs: Mapping[str, Callable[[], list[str]]], folder: Path) -> None:
        self._commands = {name: command() for name, command in programs.items()}
        self._folder = folder
        self._players: dict[str, Player] = {}

    def __enter__(self) -> Self:
        for name, command in self._commands.items():
            self._players[name] = Player(command, self._folder / f"{name}.log")
        return self

    def __exit__(self, *_: object) -> None:
        for player in self._players.values():
            player.close()

    def take(self, at: tuple[str, ...], collection: str, turn: int) -> dict[str, Saw]:
        """What each saw of a collection of its own, all at the same time."""

        def one(name: str) -> Saw:
            return self._players[name].take(at, f"{name}_{collection}", turn)

        with ThreadPoolExecutor(len(self._players)) as pool:
            return dict(zip(self._players, pool.map(one, self._players), strict=True))


@dataclass(frozen=True, slots=True)
class Difference:
    where: str
    direct: Any
    through: Any


def differences(direct: Any, through: Any, where: str = "") -> Iterator[Difference]:
    """Numbers may differ by NEAR of their size."""
    if isinstance(direct, dict) and isinstance(through, dict) and direct.keys() == through.keys():
        for key, value in direct.items():
            yield from differences(value, through[key], f"{where}/{key}")
    elif isinstance(direct, list) and isinstance(through, list) and len(direct) == len(through):
        for number, (one, other) in enumerate(zip(direct, through, strict=True)):
            yield from differences(one, other, f"{where}/{number}")
    elif not _same(direct, through):
        yield Difference(where, direct, through)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=NEAR, abs_tol=NEAR)
    return type(one) is type(other) and bool(one == other)
