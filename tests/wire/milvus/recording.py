"""Recorded requests, and what they mean to the frontend: each is decoded in the catalog that those before it have made."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from milvus_facade import Facade

from proxy.model.operation import CreateCollection, Put, Read, Write
from proxy.ports import Kind, Request


def request_of(row: dict[str, Any]) -> Request:
    headers = tuple((key.encode(), value.encode()) for key, value in row["headers"])
    return Request(b"POST", row["path"].encode(), headers, base64.b64decode(row["body"]))


def meanings(rows: Sequence[dict[str, Any]]) -> list[str]:
    facade = Facade()
    return asyncio.run(_meanings(facade, [request_of(row) for row in rows]))


async def _meanings(facade: Facade, requests: Sequence[Request]) -> list[str]:
    texts = []
    for request in requests:
        texts.append(meaning(facade, request))
        await facade.reply(request)
    return texts


def meaning(facade: Facade, request: Request) -> str:
    route = facade.frontend.route(request.method, request.path, "grpc")
    if route.kind is Kind.ADMIN:
        return f"{route.name}: from the catalog"
    return f"{route.name}: {said(facade.frontend.decode(request, facade.catalog))}"


def said(operation: Write | Read) -> str:
    """One line, without what Milvus alone reads."""
    with np.printoptions(precision=3, floatmode="fixed"):
        match operation:
            case CreateCollection(schema):
                return (
                    f"CreateCollection({schema.collection!r}, {list(schema.vectors)}, {list(schema.fields)}, {schema.id_kind})"
                )
            case Put(points=points):
                return f"Put(insert={operation.insert}, complete={operation.complete}, {[repr(point) for point in points]})"
            case _:
                return " ".join(repr(operation).split())
