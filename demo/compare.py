"""Compares the two databases with their own SDKs. Uses nothing of vecferry, so it can be trusted to judge it.

Vectors of cosine collections are compared by direction: Qdrant stores them at length one.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np
from pymilvus import MilvusClient
from qdrant_client import QdrantClient

OURS = ("__id__", "__partition__", "__vecferry__")


def milvus_rows(client: MilvusClient, collection: str) -> dict[Any, dict[str, Any]]:
    """Every row by primary key, all that was acknowledged before."""
    rows: dict[Any, dict[str, Any]] = {}
    # An iterator of pymilvus ignores the consistency that it is given, but sees what a strong query before it saw.
    client.query(collection, filter="", output_fields=["count(*)"], consistency_level="Strong")
    pages = client.query_iterator(collection, filter="", batch_size=500, output_fields=["*"], timeout=60)
    while page := pages.next():
        for found in page:
            rows[found["id"]] = dict(found)
    pages.close()
    return rows


def qdrant_rows(client: QdrantClient, collection: str) -> dict[Any, dict[str, Any]]:
    rows: dict[Any, dict[str, Any]] = {}
    offset = None
    while True:
        records, offset = client.scroll(collection, limit=500, offset=offset, with_payload=True, with_vectors=True)
        for record in records:
            payload = dict(record.payload or {})
            vectors = record.vector if isinstance(record.vector, dict) else {"": record.vector}
            identity = payload.get("__id__", record.id)
            rows[identity] = {"id": identity, **{k: v for k, v in payload.items() if k not in OURS}, **vectors}
        if offset is None:
            return rows


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--milvus", required=True)
    parser.add_argument("--qdrant", required=True)
    parser.add_argument("--collection", default="digits")
    given = parser.parse_args()
    ours = milvus_rows(MilvusClient(uri=given.milvus), given.collection)
    theirs = qdrant_rows(QdrantClient(url=given.qdrant, check_compatibility=False), given.collection)
    missing, extra = ours.keys() - theirs.keys(), theirs.keys() - ours.keys()
    unequal = {key: fields for key in ours.keys() & theirs.keys() if (fields := differ(ours[key], theirs[key]))}
    print(
        f"Milvus {len(ours)} points, Qdrant {len(theirs)}: {len(missing)} missing, {len(extra)} extra, {len(unequal)} unequal"
    )
    for name, keys in (("missing", missing), ("extra", extra), ("unequal", unequal)):
        for key in list(keys)[:5]:
            print(f"  {name}: {key} {unequal.get(key, '')}")
    sys.exit(1 if missing or extra or unequal or not ours else 0)


if __name__ == "__main__":
    main()
