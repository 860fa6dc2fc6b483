"""The search API from before `points/query`, which the JavaScript client still speaks: rewritten to queries, body to body.

Owns: the rewriting. Not: checking the rest of the body, which is the query's. Everything raises ValueError where it is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def search(body: Any) -> dict[str, Any]:
    """`vector`: bare, or `{name, vector}`."""
    rest = _without(body, "vector")
    match _needed(body, "vector"):
        case {"name": name, "vector": vector}:
            return {**rest, "query": {"nearest": vector}, "using": name}
        case vector:
            return {**rest, "query": {"nearest": vector}}


def recommend(body: Any) -> dict[str, Any]:
    examples = {name: value for name, value in _checked(body).items() if name in ("positive", "negative", "strategy")}
    return {**_without(body, *examples), "query": {"recommend": examples}}


def discover(body: Any) -> dict[str, Any]:
    """Without a target it is a context search."""
    rest, context = _without(body, "target", "context"), body.get("context") or []
    if body.get("target") is None:
        return {**rest, "query": {"context": context}}
    return {**rest, "query": {"discover": {"target": body["target"], "context": context}}}


def batch(body: Any) -> list[Any]:
    searches = _needed(body, "searches")
    if not isinstance(searches, list):
        raise ValueError("`searches` must be an array")
    return searches


def _needed(body: Any, name: str) -> Any:
    if (value := _checked(body).get(name)) is None:
        raise ValueError(f"missing field `{name}`")
    return value


def _without(body: Any, *names: str) -> dict[str, Any]:
    return {name: value for name, value in _checked(body).items() if name not in names}


def _checked(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise ValueError("the body must be an object")
    return body
