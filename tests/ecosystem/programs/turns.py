"""What all programs here share: embeddings that need no model, and the dialogue with the test.

A line of input is a turn, `{"at": [address, ...], "collection": ..., "turn": ...}`; a line of output is what the program saw in
it. It runs in the environment of each client, so it imports nothing of ours.
"""

from __future__ import annotations

import hashlib
import json
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol
from uuid import NAMESPACE_URL, uuid5

DIM = 8
GENRES = ("crime", "poetry", "travel")


def embed(text: str) -> list[float]:
    digest = hashlib.sha256(text.encode()).digest()
    return [digest[i] / 128 - 1 for i in range(DIM)]


def embed_sparse(text: str) -> tuple[list[int], list[float]]:
    """One dimension a word. No two texts weigh the same: hits of one score would come in any order."""
    words = sorted({int.from_bytes(hashlib.sha256(word.encode()).digest()[:2]) for word in text.split()})
    weight = 1 + embed(text)[0] / 4
    return words, [weight * (1 + (index % 7) / 8) for index in words]


def identity(turn: int, number: int) -> str:
    return str(uuid5(NAMESPACE_URL, f"{turn}/{number}"))


def text(turn: int, number: int) -> str:
    return f"text {number} of turn {turn} about {GENRES[number % len(GENRES)]}"


def metadata(turn: int, number: int) -> dict[str, Any]:
    return {"genre": GENRES[number % len(GENRES)], "year": 1990 + number, "turn": turn, "tags": ["all", f"t{number % 4}"]}


def ranked(hits: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    """(score, ...): best first, and those of one score in the order of what else they are."""
    return sorted((list(hit) for hit in hits), key=lambda hit: (-round(hit[0], 5), json.dumps(hit[1:], sort_keys=True)))


class Application(Protocol):
    def take(self, collection: str, turn: int) -> Mapping[str, Any]:
        """Works on the collection, which the first turn makes. Returns what it saw."""


def play(make: Callable[..., Application]) -> None:
    applications: dict[tuple[str, ...], Application] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        at = tuple(asked["at"])
        try:
            if at not in applications:
                applications[at] = make(*at)
            saw = applications[at].take(asked["collection"], asked["turn"])
        except Exception:  # noqa: BLE001  (the test is told, whatever it is)
            saw = {"error": traceback.format_exc()}
        print(json.dumps(saw, sort_keys=True), flush=True)
