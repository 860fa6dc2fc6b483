"""Weaviate, as far as its official client's ordinary calls need it; made from the stubs that the client ships."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final
from uuid import UUID

import grpc
import numpy as np
from aiohttp import web
from google.protobuf.json_format import MessageToDict
from weaviate.proto.v1 import (
    base_pb2,
    batch_pb2,
    health_weaviate_pb2,
    properties_pb2,
    search_get_pb2,
    weaviate_pb2_grpc,
)

VERSION: Final = "1.39.0"
Object = dict[str, Any]
"""As REST tells it."""

_HNSW: Final[Mapping[str, Any]] = {
    "distance": "cosine",
    "ef": -1,
    "efConstruction": 128,
    "maxConnections": 32,
    "vectorCacheMaxObjects": 1,
    "cleanupIntervalSeconds": 300,
    "dynamicEfMin": 100,
    "dynamicEfMax": 500,
    "dynamicEfFactor": 8,
    "flatSearchCutoff": 40000,
    "skip": False,
    "filterStrategy": "acorn",
}
_PROPERTY: Final = {"indexFilterable": True, "indexSearchable": False, "indexRangeFilters": False}
_CLASS: Final[Mapping[str, Any]] = {
    "invertedIndexConfig": {"bm25": {"b": 0.75, "k1": 1.2}, "cleanupIntervalSeconds": 60, "stopwords": {"preset": "en"}},
    "multiTenancyConfig": {"enabled": False, "autoTenantCreation": False, "autoTenantActivation": False},
    "replicationConfig": {"factor": 1, "asyncEnabled": False, "deletionStrategy": "NoAutomatedResolution"},
    "shardingConfig": {
        "virtualPerPhysical": 128,
        "desiredCount": 1,
        "actualCount": 1,
        "desiredVirtualCount": 128,
        "actualVirtualCount": 128,
        "key": "_id",
        "strategy": "hash",
        "function": "murmur3",
    },
}


class Store:
    def __init__(self) -> None:
        self.classes: dict[str, Object] = {}
        self.objects: dict[str, dict[str, Object]] = {}

    def put(self, found: Object) -> Object:
        self.objects.setdefault(found["class"], {})[found["id"]] = found
        return found

    def of(self, name: str) -> dict[str, Object]:
        return self.objects.get(name, {})


def _vector(found: Object) -> Any:
    return np.asarray(found.get("vector") or found["vectors"]["default"], np.float32)


# ---- REST ----


class Rest:
    def __init__(self, store: Store, api_key: str) -> None:
        self._store = store
        self._key = f"Bearer {api_key}"

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._keyed])
        app.add_routes(
            [
                web.get("/v1/meta", self.meta),
                web.get("/v1/nodes", self.nodes),
                web.get("/v1/.well-known/{what:ready|live}", self.well),
                web.get("/v1/schema", self.schema),
                web.post("/v1/schema", self.create),
                web.get("/v1/schema/{name}", self.described),
                web.delete("/v1/schema/{name}", self.drop),
                web.post("/v1/objects", self.insert),
                web.head("/v1/objects/{name}/{id}", self.exists),
                web.delete("/v1/objects/{name}/{id}", self.delete),
            ]
        )
        return app

    @web.middleware
    async def _keyed(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if not request.path.startswith("/v1/.well-known/") and request.headers.get("authorization") != self._key:
            return _error(401, "anonymous access not enabled, please provide an auth scheme such as OIDC")
        found: web.StreamResponse = await handler(request)
        return found

    async def well(self, _: web.Request) -> web.Response:
        return web.Response()

    async def meta(self, _: web.Request) -> web.Response:
        told = {"hostname": "http://[::]:8080", "version": VERSION, "modules": {}, "grpcMaxMessageSize": 104858000}
        return web.json_response(told)

    async def nodes(self, _: web.Request) -> web.Response:
        node = {"name": "node1", "version": VERSION, "gitHash": "", "status": "HEALTHY", "shards": []}
        stats = {"batchStats": {"queueLength": 0, "ratePerSecond": 100}, "stats": {"objectCount": 0, "shardCount": 0}}
        return web.json_response({"nodes": [node | stats]})

    async def schema(self, _: web.Request) -> web.Response:
        return web.json_response({"classes": list(self._store.classes.values())})

    async def create(self, request: web.Request) -> web.Response:
        found = await request.json()
        if found["class"] in self._store.classes:
            return _error(422, f"class name {found['class']} already exists")
        for vector in (found.get("vectorConfig") or {}).values():
            vector.setdefault("vectorIndexType", "hnsw")
            vector["vectorIndexConfig"] = {**_HNSW, **(vector.get("vectorIndexConfig") or {})}
        found["properties"] = [{**_PROPERTY, **each} for each in found.get("properties") or ()]
        self._store.classes[found["class"]] = {**_CLASS, **found}
        return web.json_response(self._store.classes[found["class"]])

    async def described(self, request: web.Request) -> web.Response:
        found = self._store.classes.get(request.match_info["name"])
        return web.json_response(found) if found else _error(404, "no such class")

    async def drop(self, request: web.Request) -> web.Response:
        self._store.classes.pop(request.match_info["name"], None)
        self._store.objects.pop(request.match_info["name"], None)
        return web.Response()

    async def insert(self, request: web.Request) -> web.Response:
        found = await request.json()
        if found["id"] in self._store.of(found["class"]):
            return _error(422, f"id '{found['id']}' already exists")
        return web.json_response(self._store.put(found))

    async def exists(self, request: web.Request) -> web.Response:
        there = request.match_info["id"] in self._store.of(request.match_info["name"])
        return web.Response(status=204 if there else 404)

    async def delete(self, request: web.Request) -> web.Response:
        self._store.of(request.match_info["name"]).pop(request.match_info["id"], None)
        return web.Response(status=204)


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": [{"message": text}]}, status=status)


# ---- gRPC ----


class Weaviate(weaviate_pb2_grpc.WeaviateServicer):
    def __init__(self, store: Store, api_key: str) -> None:
        self._store = store
        self._key = f"Bearer {api_key}"

    async def BatchObjects(self, request: Any, context: Any) -> Any:
        await self._admit(context)
        self._take(request.objects)
        return batch_pb2.BatchObjectsReply(took=0.0)

    async def Search(self, request: Any, context: Any) -> Any:
        await self._admit(context)
        if request.collection not in self._store.classes:
            await context.abort(grpc.StatusCode.UNKNOWN, f"could not find class {request.collection} in schema")
        hits = list(self._selected(request))[request.offset : request.offset + (request.limit or 10)]
        return search_get_pb2.SearchReply(results=[_result(found, far, request.metadata) for found, far in hits])

    async def BatchStream(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        await self._admit(context)
        reply = batch_pb2.BatchStreamReply
        async for request in requests:
            match request.WhichOneof("message"):
                case "start":
                    yield reply(started=reply.Started())
                case "data":
                    uuids = self._take(request.data.objects.values)
                    yield reply(acks=reply.Acks(uuids=uuids))
                    yield reply(results=reply.Results(successes=[reply.Results.Success(uuid=each) for each in uuids]))
                case "stop":
                    return

    async def _admit(self, context: Any) -> None:
        if dict(context.invocation_metadata()).get("authorization") != self._key:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "unauthorized: invalid api key")

    def _take(self, objects: Any) -> list[str]:
        for found in objects:
            raw = found.vector_bytes or found.vectors[0].vector_bytes
            properties = MessageToDict(found.properties.non_ref_properties)
            vectors = {"default": np.frombuffer(raw, "<f4").tolist()}
            self._store.put({"class": found.collection, "id": found.uuid, "properties": properties, "vectors": vectors})
        return [found.uuid for found in objects]

    def _selected(self, request: Any) -> Iterator[tuple[Object, float | None]]:
        objects = sorted(self._store.of(request.collection).values(), key=lambda found: str(found["id"]))
        if not request.HasField("near_vector"):
            yield from ((found, None) for found in objects if found["id"] > request.after)
            return
        asked = request.near_vector
        query = np.frombuffer(asked.vectors[0].vector_bytes if asked.vectors else asked.vector_bytes, "<f4")
        near = [(found, _cosine(query, _vector(found))) for found in objects]
        yield from sorted(near, key=lambda hit: hit[1])


async def _healthy(request: Any, context: Any) -> Any:
    return health_weaviate_pb2.WeaviateHealthCheckResponse(status="SERVING")


def _health() -> Any:
    check = grpc.unary_unary_rpc_method_handler(
        _healthy,
        request_deserializer=health_weaviate_pb2.WeaviateHealthCheckRequest.FromString,
        response_serializer=health_weaviate_pb2.WeaviateHealthCheckResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": check})


def _result(found: Object, distance: float | None, wanted: Any) -> Any:
    kind = base_pb2.Vectors.VECTOR_TYPE_SINGLE_FP32
    vector = base_pb2.Vectors(name="default", vector_bytes=_vector(found).tobytes(), type=kind)
    metadata = search_get_pb2.MetadataResult(
        id=found["id"],
        id_as_bytes=UUID(found["id"]).bytes,
        distance=distance,
        distance_present=distance is not None,
        vectors=[vector] if wanted.vector else [],
    )
    fields = {name: _value(value) for name, value in found["properties"].items()}
    properties = search_get_pb2.PropertiesResult(
        non_ref_props=properties_pb2.Properties(fields=fields), target_collection=found["class"]
    )
    return search_get_pb2.SearchResult(properties=properties, metadata=metadata)


def _value(value: Any) -> Any:
    match value:
        case bool():
            return properties_pb2.Value(bool_value=value)
        case int() | float() if float(value).is_integer():
            return properties_pb2.Value(int_value=int(value))
        case float():
            return properties_pb2.Value(number_value=value)
        case _:
            return properties_pb2.Value(text_value=str(value))


def _cosine(one: Any, other: Any) -> float:
    return float(1 - one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


async def _serve(api_key: str) -> None:
    store = Store()
    server = grpc.aio.server()
    weaviate_pb2_grpc.add_WeaviateServicer_to_server(Weaviate(store, api_key), server)
    server.add_generic_rpc_handlers([_health()])
    grpc_port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    runner = web.AppRunner(Rest(store, api_key).application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"ready {runner.addresses[0][1]} {grpc_port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--api-key", required=True)
    asyncio.run(_serve(parser.parse_args().api_key))
