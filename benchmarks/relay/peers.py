"""Those that are compared: nothing in between, vecferry in three phases, Envoy and nginx plain and mirroring, a bare relay.

Owns: their start. Each is a process of its own with one worker, on one port for both protocols.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks.processes import ENVOY, NGINX, absent, start
from benchmarks.relay import envoy, nginx
from demo.servers import free_port
from tests.servers.qdrant import QdrantServer
from tests.servers.sidecar import Sidecar

SHADOW_SHARE: Final = 0.1


ASKED: Final = 0.25
"""Seconds between two questions whether the target has everything: each costs the sidecar what some writes do, and other peers
are not asked."""


@dataclass(frozen=True, slots=True)
class Peer:
    """`pid` None: the upstream itself. `rest` returns when nothing of what it took is under way any more."""

    name: str
    port: int
    pid: int | None = None
    rest: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Place:
    """Where peers start: a folder, the upstream's port, and what ends them."""

    root: Path
    upstream: int
    stack: ExitStack

    def folder(self, name: str) -> Path:
        folder = self.root / name.replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def _direct(place: Place, name: str) -> Peer:
    return Peer(name, place.upstream)


def _envoy(place: Place, name: str, *, mirror: bool) -> Peer:
    folder, port = place.folder(name), free_port()
    (folder / "envoy.json").write_text(json.dumps(envoy.config(port, place.upstream, mirror=mirror)))
    return Peer(name, port, start(name, ENVOY, envoy.OPTIONS, folder, port, place.stack))


def _nginx(place: Place, name: str, *, mirror: bool) -> Peer:
    return _running_nginx(place, name, partial(nginx.config, mirror=mirror))


def _running_nginx(place: Place, name: str, config: Callable[[Path, int, int], str]) -> Peer:
    folder, port = place.folder(name), free_port()
    (folder / "nginx.conf").write_text(config(folder, port, place.upstream))
    return Peer(name, port, start(name, NGINX, ["-p", str(folder), "-c", "nginx.conf"], folder, port, place.stack))


def _vecferry(place: Place, name: str, *, phase: str) -> Peer:
    folder = place.folder(name)
    target = place.stack.enter_context(QdrantServer(folder / "target"))
    routing = {"shadow": SHADOW_SHARE}
    sidecar = place.stack.enter_context(Sidecar(folder, f"http://127.0.0.1:{place.upstream}", target, routing=routing))
    if phase != "passthrough":
        sidecar.enter("mirror")
        sidecar.task("backfill")
    if phase == "shadow":
        sidecar.enter("shadow")
    return Peer(name, sidecar.port, sidecar.pid, partial(sidecar.drained, every=ASKED))


@dataclass(frozen=True, slots=True)
class Recipe:
    """A peer as it can be had. `program`: what must be installed."""

    name: str
    make: Callable[[Place, str], Peer]
    program: str | None = None


DIRECT: Final = Recipe("direct", _direct)
VECFERRY: Final = Recipe("vecferry", partial(_vecferry, phase="passthrough"))
SHADOW: Final = Recipe("vecferry shadow 10 %", partial(_vecferry, phase="shadow"))
PLAIN_ENVOY: Final = Recipe("Envoy", partial(_envoy, mirror=False), ENVOY)
PLAIN_NGINX: Final = Recipe("nginx", partial(_nginx, mirror=False), NGINX)
BARE: Final = Recipe("bare TCP relay", partial(_running_nginx, config=nginx.bare), NGINX)
"""In C, and it reads nothing of what it carries: what any process in between must cost."""
MIRROR: Final = Recipe("vecferry mirror", partial(_vecferry, phase="mirror"))
MIRROR_ENVOY: Final = Recipe("Envoy mirror", partial(_envoy, mirror=True), ENVOY)
MIRROR_NGINX: Final = Recipe("nginx mirror", partial(_nginx, mirror=True), NGINX)
RELAYING: Final = (DIRECT, VECFERRY, SHADOW, PLAIN_ENVOY, PLAIN_NGINX)
MIRRORING: Final = (DIRECT, MIRROR, MIRROR_ENVOY, MIRROR_NGINX)


Started: TypeAlias = Mapping[str, Peer]


def started(kinds: tuple[Recipe, ...], place: Place) -> Started:
    """Those whose program is installed, by name."""
    there = (kind for kind in kinds if kind.program is None or not absent(kind.program))
    return {kind.name: kind.make(place, kind.name) for kind in there}
