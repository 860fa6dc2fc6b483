"""Weaviate's official client, direct and through a sidecar that only relays: the same answers.

Against a fake made of the client's own stubs, and against the real server where one is installed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from tests.servers.passthrough import Passthrough
from tests.servers.weaviate import RealWeaviate, WeaviateServer, binary


@pytest.fixture(scope="module", params=["fake", "real"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeaviateServer]:
    if request.param == "real" and binary() is None:
        pytest.skip("no weaviate-server: `make weaviate` builds one in ten minutes")
    with WeaviateServer() if request.param == "fake" else RealWeaviate(tmp_path_factory.mktemp("weaviate")) as found:
        yield found


@pytest.fixture(scope="module")
def sidecar(server: WeaviateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Passthrough]:
    source = {"product": "weaviate", "url": server.url, "grpc_url": server.grpc_url, "api_key": server.api_key}
    with Passthrough(tmp_path_factory.mktemp("sidecar"), source, ("rest", "grpc")) as found:
        yield found


def ends(rest: int, grpc: int, key: str) -> dict[str, Any]:
    from weaviate.classes.init import Auth

    host = "127.0.0.1"
    return {
        "http_host": host,
        "http_port": rest,
        "http_secure": False,
        "grpc_host": host,
        "grpc_port": grpc,
        "grpc_secure": False,
        "auth_credentials": Auth.api_key(key),
    }


def conversation(rest: int, grpc: int, key: str) -> list[Any]:
    import weaviate
    from weaviate.classes.config import Configure, DataType, Property
    from weaviate.classes.data import DataObject
    from weaviate.classes.query import MetadataQuery
    from weaviate.exceptions import UnexpectedStatusCodeError, WeaviateQueryError

    with weaviate.connect_to_custom(**ends(rest, grpc, key)) as client:
        said: list[Any] = [client.is_ready(), client.is_live(), client.get_meta()["version"]]
        client.collections.create(
            "Talk", vector_config=Configure.Vectors.self_provided(), properties=[Property(name="g", data_type=DataType.INT)]
        )
        talk = client.collections.use("Talk")
        said.append(sorted(client.collections.list_all()))
        said.append(talk.data.insert({"g": 1}, uuid=UUID(int=1), vector=[1.0, 0.0, 0.0]))
        with pytest.raises(UnexpectedStatusCodeError) as twice:
            talk.data.insert({"g": 1}, uuid=UUID(int=1), vector=[1.0, 0.0, 0.0])
        said.append(twice.value.status_code)
        many = [DataObject(properties={"g": n}, uuid=UUID(int=n), vector=[1.0, n / 10, 0.0]) for n in range(2, 20)]
        said.append(talk.data.insert_many(many).uuids)
        with talk.batch.stream() as batch:
            for n in range(20, 300):
                batch.add_object(properties={"g": n}, uuid=UUID(int=n), vector=[1.0, n / 10, 0.0])
        said.append(talk.batch.failed_objects)
        near = talk.query.near_vector(
            [1.0, 0.2, 0.0], limit=5, include_vector=True, return_metadata=MetadataQuery(distance=True)
        )
        said.append([(found.uuid, found.properties, found.vector, found.metadata.distance) for found in near.objects])
        said.append([(found.uuid, found.properties) for found in talk.iterator()])
        said.append([talk.data.exists(UUID(int=1)), talk.data.delete_by_id(UUID(int=1)), talk.data.exists(UUID(int=1))])
        client.collections.delete("Talk")
        with pytest.raises(WeaviateQueryError) as gone:
            talk.query.fetch_objects()
        return [*said, type(gone.value)]


def test_the_client_hears_the_same(server: WeaviateServer, sidecar: Passthrough) -> None:
    expected = conversation(server.port, server.grpc_port, server.api_key)
    assert len(expected[9]) == 299
    assert conversation(*sidecar.ports.values(), server.api_key) == expected


async def test_the_asynchronous_client_hears_the_same(server: WeaviateServer, sidecar: Passthrough) -> None:
    import weaviate
    from weaviate.classes.config import Configure

    async def talk(rest: int, grpc: int) -> list[Any]:
        async with weaviate.use_async_with_custom(**ends(rest, grpc, server.api_key)) as client:
            made = await client.collections.create("Murmur", vector_config=Configure.Vectors.self_provided())
            for n in range(1, 20):
                await made.data.insert({"g": n}, uuid=UUID(int=n), vector=[1.0, n / 10])
            found = await asyncio.gather(*(made.query.near_vector([1.0, n / 7], limit=3) for n in range(20)))
            await client.collections.delete("Murmur")
            return [[(hit.uuid, hit.properties) for hit in reply.objects] for reply in found]

    expected = await talk(server.port, server.grpc_port)
    assert await talk(*sidecar.ports.values()) == expected


def test_a_wrong_key_is_refused_as_it_is_direct(server: WeaviateServer, sidecar: Passthrough) -> None:
    import weaviate
    from weaviate.exceptions import UnexpectedStatusCodeError

    for ports in ((server.port, server.grpc_port), tuple(sidecar.ports.values())):
        with pytest.raises(UnexpectedStatusCodeError) as refused:
            weaviate.connect_to_custom(**ends(*ports, "wrong"))
        assert refused.value.status_code == 401
