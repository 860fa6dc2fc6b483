"""What only a server can show: addresses, credentials, outages, and what the conformance cases do not ask."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent import futures
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import numpy as np
import pytest
import trustme
from fakes.plain_parts import PlainCatalog
from pydantic import SecretStr
from qdrant_schemas import COLLECTION, dense, key, point, schema
from servers.qdrant import QdrantServer

from proxy.backends.qdrant.backend import QdrantBackend
from proxy.config import SideConfig, TlsConfig
from proxy.errors import AlreadyExists, ConfigError, Reason, Refused, Unavailable, Uncertain
from proxy.model.filter import Equals, Op, Range
from proxy.model.operation import Count, CreateCollection, CreateIndex, Fetch, Scan
from proxy.model.point import Point
from proxy.model.schema import IdKind, Metric, Product, Schema

Open = Callable[..., QdrantBackend]
ROW = np.array([3, 4], np.float32)


@pytest.fixture
async def backend() -> AsyncIterator[Open]:
    made: list[QdrantBackend] = []

    def build(grpc_url: str, *schemas: Schema, **side: Any) -> QdrantBackend:
        catalog = PlainCatalog(schemas)
        settings = {"timeout": 10.0, **side}
        made.append(
            QdrantBackend(SideConfig(product=Product.QDRANT, url="http://unused", grpc_url=grpc_url, **settings), catalog)
        )
        return made[-1]

    yield build
    for each in made:
        await each.close()


async def failure(call: Awaitable[Any]) -> Any:
    with pytest.raises((Unavailable, Refused)) as caught:
        await call
    return caught.value


async def test_the_server_says_what_it_is(qdrant: QdrantServer, backend: Open) -> None:
    server = await backend(qdrant.grpc_url).ping()

    assert server.product is Product.QDRANT
    assert server.version.startswith("1.")


async def test_nothing_listening_is_told(backend: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    error = await failure(backend(f"http://127.0.0.1:{port}").ping())

    assert isinstance(error, Unavailable)
    assert "nothing listens" in str(error)


async def test_no_such_host_is_told(backend: Open) -> None:
    assert "no such host" in str(await failure(backend("http://no-such-host.invalid:6334").ping()))


async def test_the_rest_port_is_told_from_the_grpc_port(qdrant: QdrantServer, backend: Open) -> None:
    assert "no gRPC port" in str(await failure(backend(qdrant.url).ping()))


async def test_another_product_is_told(backend: Open) -> None:
    stranger = grpc.server(futures.ThreadPoolExecutor(1))
    port = stranger.add_insecure_port("127.0.0.1:0")
    stranger.start()
    try:
        error = await failure(backend(f"http://127.0.0.1:{port}").ping())
    finally:
        stranger.stop(None)

    assert isinstance(error, Refused)
    assert "not Qdrant" in str(error)


@pytest.mark.parametrize("api_key", [None, "wrong"])
async def test_a_wrong_api_key_is_told(guarded: QdrantServer, backend: Open, api_key: str | None) -> None:
    error = await failure(backend(guarded.grpc_url, api_key=SecretStr(api_key) if api_key else None).ping())

    assert isinstance(error, Refused)
    assert error.reason is Reason.UNAUTHENTICATED
    assert "api_key" in str(error)


async def test_the_right_api_key_opens(guarded: QdrantServer, backend: Open) -> None:
    assert (await backend(guarded.grpc_url, api_key=SecretStr("right")).ping()).product is Product.QDRANT


async def test_tls_towards_a_plain_port_is_told(qdrant: QdrantServer, backend: Open) -> None:
    assert "TLS" in str(await failure(backend(f"https://127.0.0.1:{qdrant.grpc_port}").ping()))


async def test_no_tls_towards_a_tls_port_is_told(backend: Open, tls_server: tuple[int, Path]) -> None:
    assert "https://" in str(await failure(backend(f"http://127.0.0.1:{tls_server[0]}").ping()))


async def test_an_unknown_certificate_is_told(backend: Open, tls_server: tuple[int, Path]) -> None:
    assert "tls.ca_file" in str(await failure(backend(f"https://127.0.0.1:{tls_server[0]}").ping()))


async def test_a_known_certificate_is_accepted(backend: Open, tls_server: tuple[int, Path]) -> None:
    port, ca_file = tls_server

    error = await failure(backend(f"https://127.0.0.1:{port}", tls=TlsConfig(ca_file=ca_file)).ping())

    assert "not Qdrant" in str(error), "the handshake is done, and a stranger answers"


async def test_certificates_cannot_go_unchecked(backend: Open) -> None:
    with pytest.raises(ConfigError, match=r"tls\.verify"):
        await backend("https://127.0.0.1:1", tls=TlsConfig(verify=False)).ping()


@pytest.fixture
def tls_server(tmp_path: Path) -> Any:
    """A gRPC server that is not Qdrant, and the file of the authority that it chains to."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = grpc.server(futures.ThreadPoolExecutor(1))
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(issued.private_key_pem.bytes(), chain)]))
    server.start()
    yield port, tmp_path / "ca.pem"
    server.stop(None)


# ---- outages ----


async def test_writes_to_a_side_that_is_down_fail_until_it_is_back(tmp_path: Path, backend: Open) -> None:
    server = QdrantServer(tmp_path).start()
    side = backend(server.grpc_url, schema())
    await side.apply(CreateCollection(schema()))
    server.kill()

    error = await failure(side.put([point(1, v=ROW)]))
    assert isinstance(error, Unavailable)

    server.start()
    async with asyncio.timeout(10):
        while True:
            try:
                await side.put([point(1, v=ROW)])
                break
            except Unavailable:
                await asyncio.sleep(0.05)
    assert await side.count(Count(COLLECTION)) == 1
    server.stop()


async def test_a_write_whose_reply_does_not_come_is_uncertain_and_a_read_is_not(backend: Open) -> None:
    """A server that takes the connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        side = backend(f"http://127.0.0.1:{silent.getsockname()[1]}", schema(), timeout=0.3)

        assert type(await failure(side.put([point(1, v=ROW)]))) is Uncertain
        assert type(await failure(side.remove([key(1)]))) is Uncertain
        assert type(await failure(side.count(Count(COLLECTION)))) is Unavailable


# ---- what no conformance case asks ----


async def test_values_that_json_lacks_come_back_and_can_be_filtered(qdrant: QdrantServer, backend: Open) -> None:
    wanted = Schema("exotic", {"v": dense(Metric.DOT)}, id_kind=IdKind.INT64)
    side = backend(qdrant.grpc_url, wanted)
    await side.apply(CreateCollection(wanted))
    moment, uuid = datetime(2024, 5, 6, 7, 8, 9, 123456, UTC), UUID(int=7)
    exotic = point(key(1, collection="exotic"), {"at": moment, "who": uuid, "raw": b"\x00\xff", "big": 2**70}, v=ROW)

    await side.put([exotic])

    found = (await side.scan(Scan("exotic", limit=5))).points[0]
    assert found.payload == exotic.payload
    for condition in (Equals(("at",), moment), Equals(("who",), uuid), Range(("at",), Op.LT, datetime(2025, 1, 1))):
        assert await side.count(Count("exotic", condition)) == 1
    assert await side.count(Count("exotic", Range(("at",), Op.GT, moment))) == 0


async def test_an_own_collection_is_read_as_it_is(qdrant: QdrantServer, backend: Open) -> None:
    wanted = Schema("own", {"": dense(Metric.DOT, name="")}, id_kind=IdKind.UINT64_OR_UUID)
    side = backend(qdrant.grpc_url, wanted)
    await side.apply(CreateCollection(wanted))
    points = [Point(key(n, collection="own"), {"": ROW}, {"__id__": "theirs"}) for n in (7, UUID(int=3))]

    await side.put(points)

    found = await side.fetch(Fetch("own", tuple(each.key for each in points)))
    assert {each.id for each in found} == {7, UUID(int=3)}
    assert all(each.payload == {"__id__": "theirs"} for each in found.values())
    assert (await side.describe("own")).id_kind is IdKind.UINT64_OR_UUID


async def test_partitions_are_described_by_what_is_there(qdrant: QdrantServer, backend: Open) -> None:
    wanted = Schema("parted", {"v": dense(Metric.DOT)}, partitions=("p", "q"))
    side = backend(qdrant.grpc_url, wanted)
    await side.apply(CreateCollection(wanted))
    await side.put([point(key(1, name, "parted"), v=ROW) for name in ("p", "q", None)])

    assert (await side.describe("parted")).partitions == ("p", "q")


async def test_a_metric_that_comes_after_the_points_is_refused(qdrant: QdrantServer, backend: Open) -> None:
    wanted = Schema("late", {"v": dense(None)})
    side = backend(qdrant.grpc_url, wanted)
    await side.apply(CreateCollection(wanted))
    await side.put([point(key(1, collection="late"), v=ROW)])

    with pytest.raises(AlreadyExists, match="before its metric"):
        await side.apply(CreateIndex("late", "v", "v", {"metric": Metric.COSINE}))


async def test_a_server_at_rest_is_quiet(qdrant: QdrantServer, backend: Open) -> None:
    wanted = Schema("quiet", {"v": dense(Metric.DOT)})
    side = backend(qdrant.grpc_url, wanted)
    await side.apply(CreateCollection(wanted))

    await side.quiesce("quiet")


async def test_text_that_is_no_unicode_is_refused(qdrant: QdrantServer, backend: Open) -> None:
    with pytest.raises(Refused, match="Unicode"):
        await backend(qdrant.grpc_url, schema()).put([point(1, {"x": "\ud800"}, v=ROW)])


async def test_nothing_to_write_is_no_request(backend: Open) -> None:
    side = backend("http://127.0.0.1:1")

    await side.put([])
    await side.remove([])
    assert await side.fetch(Fetch(COLLECTION, ())) == {}
