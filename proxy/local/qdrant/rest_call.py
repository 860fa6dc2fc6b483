"""One REST call, as its handler gets it; and the answer that all writes share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from proxy.local.qdrant.collection import Collection
from proxy.local.qdrant.registry import Registry

PREFIX: Final = "/collections/{name}"


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its path's parts decoded, its body parsed as JSON only."""

    registry: Registry
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any

    @property
    def collection(self) -> Collection:
        return self.registry.get(self.path["name"])


Handler: TypeAlias = Callable[[Call], Any]


def done(call: Call, number: int) -> Any:
    wait = call.query.get("wait") == "true"
    return {"operation_id": number, "status": "completed" if wait else "acknowledged"}
