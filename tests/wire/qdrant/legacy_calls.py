"""The searches from before `points/query`, which the server still answers and its description no longer has. By hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from documented import Documented
from pydantic import BaseModel, TypeAdapter
from qdrant_client.http.models import models as m

_Id = int | str
_Example = int | str | list[float]


class Asked(BaseModel):
    limit: int
    filter: m.Filter | None = None
    params: m.SearchParams | None = None
    offset: int | None = None
    with_payload: bool | list[str] | None = None
    with_vector: bool | list[str] | None = None
    score_threshold: float | None = None
    using: str | None = None


class Named(BaseModel):
    name: str
    vector: list[float] | m.SparseVector


class Search(Asked):
    vector: list[float] | Named


class SearchGroups(Search):
    group_by: str
    group_size: int


class Recommend(Asked):
    positive: list[_Example]
    negative: list[_Example] | None = None
    strategy: m.RecommendStrategy | None = None


class RecommendGroups(Recommend):
    group_by: str
    group_size: int


class Pair(BaseModel):
    positive: _Example
    negative: _Example


class Discover(Asked):
    target: _Example | None = None
    context: list[Pair] | None = None


class SearchBatch(BaseModel):
    searches: list[Search]


class RecommendBatch(BaseModel):
    searches: list[Recommend]


class DiscoverBatch(BaseModel):
    searches: list[Discover]


class Answer(BaseModel):
    status: str
    time: float


class Hits(Answer):
    result: list[m.ScoredPoint]


class Rows(Answer):
    result: list[list[m.ScoredPoint]]


class Groups(Answer):
    result: m.GroupsResult


_P: Final = "/collections/{collection_name}/points"
_BODIES: Final[Mapping[str, tuple[Any, Any]]] = {
    "search": (Search, Hits),
    "search/batch": (SearchBatch, Rows),
    "search/groups": (SearchGroups, Groups),
    "recommend": (Recommend, Hits),
    "recommend/batch": (RecommendBatch, Rows),
    "recommend/groups": (RecommendGroups, Groups),
    "discover": (Discover, Hits),
    "discover/batch": (DiscoverBatch, Rows),
}
LEGACY: Final[Mapping[str, Documented]] = {
    f"POST {_P}/{name}": Documented("POST", f"{_P}/{name}", body, TypeAdapter(answer), {"collection_name": str})
    for name, (body, answer) in _BODIES.items()
}
