"""The official client's reads of our frontend over the memory backend, beside the same reads of Qdrant's own engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import pytest
from pydantic import BaseModel
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse
from qdrant_facade import Facade, FacadeServer
from readings import READINGS, REFUSED, WRONG, Reading, fill

from tests.servers.qdrant import QdrantServer

PROTOCOLS = pytest.mark.parametrize("protocol", ["rest", "grpc"])
Clients: TypeAlias = dict[str, tuple[QdrantClient, ...]]
"""Protocol -> (of our frontend, of the engine)."""
VERSIONS = frozenset({"version"})
"""Nobody behind our frontend counts the writes of a point."""


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    with FacadeServer(Facade()) as server, QdrantServer(Path(tmp_path_factory.mktemp("engine"))) as engine:
        pairs = {
            name: (server.client(prefer_grpc=name == "grpc"), engine.client(prefer_grpc=name == "grpc"))
            for name in ("rest", "grpc")
        }
        for client in pairs["rest"]:
            fill(client)
        yield pairs
        for pair in pairs.values():
            for client in pair:
                client.close()


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


def _assert_same(ours: Any, engines: Any, where: str = "") -> None:
    match ours:
        case dict():
            assert ours.keys() == engines.keys(), where
            for name, value in ours.items():
                _assert_same(value, engines[name], f"{where}.{name}")
        case list():
            assert len(ours) == len(engines), where
            for number, value in enumerate(ours):
                _assert_same(value, engines[number], f"{where}[{number}]")
        case float():
            assert ours == pytest.approx(engines, rel=1e-5, abs=1e-6), where
        case _:
            assert (type(ours), ours) == (type(engines), engines), where


@PROTOCOLS
@pytest.mark.parametrize("name", READINGS)
def test_an_answer_is_the_engines(name: str, protocol: str, clients: Clients) -> None:
    ours, engines = (_plain(READINGS[name](client)) for client in clients[protocol])
    assert engines
    _assert_same(ours, engines)


def _failure(client: QdrantClient, reading: Reading) -> tuple[Any, str]:
    try:
        reading(client)
    except UnexpectedResponse as error:
        return error.status_code, error.structured()["status"]["error"]  # type: ignore[no-untyped-call]
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError("it was answered")


@PROTOCOLS
@pytest.mark.parametrize("name", REFUSED)
def test_what_the_model_lacks_is_refused_by_name(name: str, protocol: str, clients: Clients) -> None:
    reading, word = REFUSED[name]
    code, text = _failure(clients[protocol][0], reading)
    assert code in (400, grpc.StatusCode.INVALID_ARGUMENT)
    assert word in text


@PROTOCOLS
@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_fails_as_in_the_engine(name: str, protocol: str, clients: Clients) -> None:
    ours, engines = (_failure(client, WRONG[name]) for client in clients[protocol])
    assert ours[0] == engines[0], (ours, engines)
