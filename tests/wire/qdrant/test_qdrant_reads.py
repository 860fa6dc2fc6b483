"""The official client's reads of our frontend over the memory backend, beside the same reads of Qdrant's own engine."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from pydantic import BaseModel
from qdrant_client import models
from qdrant_failure import failure
from readings import READINGS, REFUSED, WRONG, Shelves

PROTOCOLS = pytest.mark.parametrize("protocol", ["rest", "grpc"])
VERSIONS = frozenset({"version"})
"""Nobody behind our frontend counts the writes of a point."""


def _plain(found: Any) -> Any:
    """Hits of one score in the order of their ids: which comes first says nothing."""
    match found:
        case BaseModel():
            return _plain(found.model_dump())
        case [{"score": _}, *_] | [models.ScoredPoint(), *_]:
            return sorted(map(_plain, found), key=lambda hit: (-round(hit["score"], 4), str(hit["id"])))
        case list() | tuple():
            return [_plain(each) for each in found]
        case dict():
            return {name: _plain(value) for name, value in found.items() if name not in VERSIONS}
        case _:
            return found


def assert_same(ours: Any, engines: Any, where: str = "") -> None:
    match ours:
        case dict():
            assert ours.keys() == engines.keys(), where
            for name, value in ours.items():
                assert_same(value, engines[name], f"{where}.{name}")
        case list():
            assert len(ours) == len(engines), where
            for number, value in enumerate(ours):
                assert_same(value, engines[number], f"{where}[{number}]")
        case float():
            assert ours == pytest.approx(engines, rel=1e-5, abs=1e-6), where
        case _:
            assert (type(ours), ours) == (type(engines), engines), where


@PROTOCOLS
@pytest.mark.parametrize("name", READINGS)
def test_an_answer_is_the_engines(name: str, protocol: str, shelves: Shelves) -> None:
    ours, engines = (_plain(READINGS[name](client)) for client in shelves.clients[protocol])
    assert engines
    assert_same(ours, engines)


@PROTOCOLS
@pytest.mark.parametrize("name", REFUSED)
def test_what_the_model_lacks_is_refused_by_name(name: str, protocol: str, shelves: Shelves) -> None:
    reading, word = REFUSED[name]
    code, text = failure(shelves.clients[protocol][0], reading)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert word in text


@PROTOCOLS
@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_fails_as_in_the_engine(name: str, protocol: str, shelves: Shelves) -> None:
    ours, engines = (failure(client, WRONG[name]) for client in shelves.clients[protocol])
    assert ours[0] == engines[0], (ours, engines)
