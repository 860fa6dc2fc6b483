"""Compares the two databases with their own SDKs. Uses nothing of vecferry, so it can be trusted to judge it.

Vectors are compared by direction: Qdrant stores those of cosine collections at length one.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from pymilvus import MilvusClient
from qdrant_client import QdrantClient

OURS: Final = re.compile(r"__(id|partition|vecferry|rest|empty|has_.*)(__)?")
"""Fields that vecferry keeps beside the application's."""
VECTOR: Final = "pixels"
Rows: TypeAlias = dict[str, dict[str, Any]]


def milvus_rows(uri: str, collection: str, token: str | None = None) -> Rows:
    """Every row by primary key, all that was acknowledged before."""
    client = MilvusClient(uri=uri, token=token or "")
    # An iterator of pymilvus ignores the consistency that it is given, but sees what a strong query before it saw.
    client.query(collection, filter="", output_fields=["count(*)"], consistency_level="Strong")
    described = client.describe_collection(collection)["fields"]
    key = next(field["name"] for field in described if field.get("is_primary"))
    vector = next(field["name"] for field in described if "dim" in field["params"])
    rows: Rows = {}
    pages = client.query_iterator(collection, filter="", batch_size=500, output_fields=["*"], timeout=60)
    while page := pages.next():
        for found in page:
            rows[bare(found[key])] = row(dict(found), key, vector)
    pages.close()
    return rows


def qdrant_rows(uri: str, collection: str, key: str | None = None) -> Rows:
    client = QdrantClient(url=uri, api_key=key, check_compatibility=False)
    rows: Rows = {}
    offset = None
    while True:
        records, offset = client.scroll(collection, limit=500, offset=offset, with_payload=True, with_vectors=True)
        for record in records:
            payload: dict[str, Any] = dict(record.payload or {})
            vectors: Any = record.vector if isinstance(record.vector, dict) else {VECTOR: record.vector}
            rows[bare(payload.get("__id__", record.id))] = row({**payload, **vectors}, "", VECTOR)
        if offset is None:
            return rows


def bare(identity: Any) -> str:
    """One text for a number, whatever form a target of another product keeps it in."""
    text = str(identity)
    return text.lstrip("0") or "0" if text.isdigit() else text


def row(found: dict[str, Any], key: str, vector: str) -> dict[str, Any]:
    fields = {name: value for name, value in found.items() if name not in (key, "id", vector) and not OURS.fullmatch(name)}
    return {**fields, VECTOR: found[vector]}


def differ(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """Names of the fields that differ."""
    return [name for name in sorted(a.keys() | b.keys()) if not same(a.get(name), b.get(name))]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b) > 8:
        x, y = np.array(a, dtype=np.float64), np.array(b, dtype=np.float64)
        return bool(np.allclose(x / np.linalg.norm(x), y / np.linalg.norm(y), atol=1e-5))
    if isinstance(a, float) and isinstance(b, float):
        return bool(np.isclose(a, b, rtol=1e-6))
    return bool(a == b)


ROWS: Final[Mapping[str, Callable[..., Rows]]] = {"milvus": milvus_rows, "qdrant": qdrant_rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="PRODUCT=URL")
    parser.add_argument("target", help="PRODUCT=URL")
    parser.add_argument("--collection", default="digits")
    given = parser.parse_args()
    logging.getLogger("pymilvus").setLevel(logging.ERROR)  # its iterator warns of servers that do not tell the time
    (source, ours), (target, theirs) = (_read(side, given.collection) for side in (given.source, given.target))
    missing, extra = ours.keys() - theirs.keys(), theirs.keys() - ours.keys()
    unequal = {key: fields for key in ours.keys() & theirs.keys() if (fields := differ(ours[key], theirs[key]))}
    counted = f"{len(missing)} missing, {len(extra)} extra, {len(unequal)} unequal"
    print(f"source ({source}) {len(ours)} points, target ({target}) {len(theirs)}: {counted}")
    for name, keys in (("missing", missing), ("extra", extra), ("unequal", unequal)):
        for key in list(keys)[:5]:
            print(f"  {name}: {key} {unequal.get(key, '')}")
    sys.exit(1 if missing or extra or unequal or not ours else 0)


def _read(side: str, collection: str) -> tuple[str, Rows]:
    product, _, uri = side.partition("=")
    return product, ROWS[product](uri, collection)


if __name__ == "__main__":
    main()
