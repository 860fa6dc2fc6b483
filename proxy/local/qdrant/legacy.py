"""The search API from before `points/query`, which the JavaScript client still speaks: rewritten to queries, body to body.

Owns: the rewriting. Not: checking the rest of the body, which is the query's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.local.qdrant.errors import FORMAT, Fault


def search(body: Mapping[str, Any]) -> dict[str, Any]:
    """`vector`: bare, or `{name, vector}`."""
    rest = _without(body, "vector")
    match body.get("vector"):
        case None:
            raise Fault(FORMAT, "missing field `vector`")
        case {"name": name, "vector": vector}:
            return {**rest, "query": {"nearest": vector}, "using": name}
        case vector:
            return {**rest, "query": {"nearest": vector}}


def recommend(body: Mapping[str, Any]) -> dict[str, Any]:
    examples = {name: body[name] for name in ("positive", "negative", "strategy") if name in body}
    return {**_without(body, *examples), "query": {"recommend": examples}}


def discover(body: Mapping[str, Any]) -> dict[str, Any]:
    """Without a target it is a context search."""
    rest, context = _without(body, "target", "context"), body.get("context") or []
    if body.get("target") is None:
        return {**rest, "query": {"context": context}}
    return {**rest, "query": {"discover": {"target": body["target"], "context": context}}}


def _without(body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}
