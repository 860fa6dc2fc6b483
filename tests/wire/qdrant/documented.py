"""Every documented REST call with the types of its body and its answer, as the SDK's generated API states them.

The SDK ships no OpenAPI description: its API and models are generated from it, so they are the description here.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, get_type_hints

import qdrant_client.http.api as generated
from pydantic import TypeAdapter

BUILDER: Final = "_build_for_"


@dataclass(frozen=True, slots=True)
class Documented:
    """`body`: the type, None where the call has none. `parameters`: the types of the path's and the query's."""

    method: str
    template: str
    body: Any
    answer: TypeAdapter[Any]
    parameters: Mapping[str, Any]


class _Caught:
    """Stands in for the SDK's client of HTTP: keeps what it is told to send."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}

    def request(self, **given: Any) -> None:
        self.given = given


def _documented() -> Iterator[tuple[str, Documented]]:
    for module in (import_module(f"{generated.__name__}.{each.name}") for each in pkgutil.iter_modules(generated.__path__)):
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ == module.__name__ and kind.__name__.startswith("_"):
                yield from _calls(kind)


def _calls(kind: Any) -> Iterator[tuple[str, Documented]]:
    for name, build in inspect.getmembers(kind, inspect.isfunction):
        if name.startswith(BUILDER):
            caught = _Caught()
            hints = get_type_hints(build, build.__globals__ | {"ApiClient": Any, "AsyncApiClient": Any})
            required = {each.name: "x" for each in _parameters(build) if each.default is inspect.Parameter.empty}
            build(kind(caught), **required)
            given = caught.given
            yield f"{given['method']} {given['url']}", _call(given, hints)


def _parameters(build: Any) -> list[inspect.Parameter]:
    return list(inspect.signature(build).parameters.values())[1:]


def _call(given: Mapping[str, Any], hints: Mapping[str, Any]) -> Documented:
    parameters = {name: hint for name, hint in hints.items() if name != "return"}
    body = parameters.pop(list(parameters)[-1]) if "content" in given else None
    return Documented(given["method"], given["url"], body, TypeAdapter(given["type_"] or Any), parameters)


CALLS: Final[Mapping[str, Documented]] = dict(_documented())
