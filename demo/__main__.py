"""`make demo`: a live application moves to another database, back, and there again, before your eyes.

Owns: the walk and the display. The application (milvus_app.py, qdrant_app.py) knows nothing of it, the judge (compare.py)
uses nothing of ours.
Exit code 0 only if both databases agree in the end and the application saw no error.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from demo.servers import Started, child, free_port, program, start

ROOT = Path(__file__).parents[1]
PAIRS = ("milvus-qdrant", "milvus-milvus", "qdrant-milvus", "qdrant-qdrant")
NAMES = {"milvus": "Milvus", "qdrant": "Qdrant"}
ROLES = {"milvus": ("grpc",), "qdrant": ("rest", "grpc")}
"""Of the ports that the source's product has; the application's is the first."""
PLACES = ("source", "target")
GATES: dict[str, dict[str, float]] = {"qdrant": {}, "milvus": {"latency_ratio": 100.0}}
"""By the target. Milvus makes a read wait for its next time tick (200 ms) where its client must see what it just wrote."""
CALLS = ("search", "upsert", "delete", "delete by filter", "get")
Ended: TypeAlias = Callable[[], int | None]


class Application:
    """The sample application as a child; what it prints is sorted by the phase in which it happened."""

    def __init__(self, stack: ExitStack, command: list[str], log: Path) -> None:
        self.process = child(stack, command, log, cwd=ROOT, stdout=subprocess.PIPE)
        self.phase = "passthrough"
        self.operations = 0
        self.errors = 0
        self.last_error = ""
        self.took: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            self.operations, self.errors, self.last_error = said["operations"], said["errors"], said["last_error"]
            for call, milliseconds in said["took"].items():
                self.took[self.phase][call] += milliseconds

    def ended(self) -> int | None:
        """The code with which it ended unasked; None while it lives, and once it was told to stop."""
        return None if self.phase == "stopped" else self.process.poll()

    def finish(self) -> None:
        self.phase = "stopped"
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self._reader.join(5)
        if self.process.returncode:
            raise RuntimeError(f"the application ended with {self.process.returncode}")


class Show:
    """The display: redrawn four times a second from the application's lines and the sidecar's status."""

    def __init__(self, console: Console, admin: httpx.Client, application: Application, what: str) -> None:
        self.done: list[str] = []
        self.doing = ""
        self._console = console
        self._admin = admin
        self._application = application
        self._what = what
        self._status: dict[str, Any] = {}

    def refresh(self) -> None:
        self._status = self._admin.get("/v1/status").raise_for_status().json()

    def __rich__(self) -> Group:
        application = self._application
        color = "red" if application.errors else "green"
        return Group(
            Text(f"vecferry demo: {self._what}, while an application works", "bold"),
            *(Text(f"  done  {step}", "dim") for step in self.done),
            Text(f"  now   {self.doing}", "bold"),
            Text.assemble(
                f"application: {application.operations} operations, ",
                (f"{application.errors} errors {application.last_error}", color),
            ),
            *self._lines(),
            self.latencies(),
        )

    def _lines(self) -> Iterator[Text]:
        status = self._status
        if not status:
            return
        journal = status["journal"]
        yield Text(
            f"phase {status['phase']}  epoch {status['epoch']}  primary {status['primary']}  "
            f"journal {journal['entries']} writes, {journal['oldest_seconds']:.2f} s behind, {journal['dirty_keys']} dirty keys"
        )
        for task in status["tasks"]:
            if task["state"] != "idle":
                yield Text(f"{task['name']}: {task['state']}, {task['done']} of {task['total']} points")
        for name, found in status["collections"].items():
            shadow = found["shadow"]
            if shadow and shadow["samples"]:
                yield Text(
                    f"{name}: recall {shadow['recall']:.4f} over {shadow['samples']} searches, at least "
                    f"{shadow['recall_lower_bound']:.4f} with confidence 0.95; verified {found['verified']}"
                )

    def latencies(self) -> Table:
        table = Table("p50 / p99 ms", *CALLS, box=None)
        for phase, calls in list(self._application.took.items()):
            table.add_row(phase, *(_percentiles(calls.get(call, [])) for call in CALLS))
        return table


def _percentiles(values: list[float]) -> str:
    return "{:.1f} / {:.1f}".format(*np.percentile(values, [50, 99])) if values else ""


class Walk:
    """The operator: calls of the admin API, and waits for what the status says.

    `living` must live meanwhile: their names, and what tells the code with which one ended.
    """

    def __init__(
        self, admin: httpx.Client, show: Show, application: Application, living: Mapping[str, Ended], seconds: float
    ) -> None:
        self._admin = admin
        self._show = show
        self._application = application
        self._living = living
        self._seconds = seconds

    @contextmanager
    def told_why(self) -> Iterator[None]:
        """A call that fails because somebody died tells who."""
        try:
            yield
        except httpx.TransportError:
            time.sleep(0.5)  # its socket is closed a moment before it is dead
            self._look()
            raise

    def _look(self) -> None:
        for name, ended in self._living.items():
            if (code := ended()) is not None:
                raise RuntimeError(f"{name} ended with {code}")

    def begun(self) -> None:
        """The application starts slowly on a busy machine; nothing is shown of a phase in which it did nothing."""
        self.step("the application starts")
        deadline = time.monotonic() + 60
        while not self._application.operations:
            if time.monotonic() > deadline:
                raise RuntimeError("the application did nothing for 60 s")
            self.pause(0.2)
        self._show.doing = ""

    def step(self, doing: str) -> None:
        if self._show.doing:
            self._show.done.append(self._show.doing)
        self._show.doing = doing

    def phase(self, name: str, doing: str) -> None:
        self.step(doing)
        self.post("/v1/phase", phase=name, why="demo", who="demo")
        self._application.phase = name
        self.watch()

    def change(self, command: str, phase: str) -> None:
        self.step(f"{command}: waits for its gates")
        begun = time.monotonic()
        while True:
            reply = self._admin.post(f"/v1/{command}", json={"why": "demo", "who": "demo"})
            if reply.is_success:
                break
            if reply.status_code >= 500 or time.monotonic() - begun > 120:
                raise RuntimeError(f"{command}: {reply.text}")
            self.pause(0.5)
        self._application.phase = phase
        self._show.doing = f"{command}: writes were held for {reply.json()['held_seconds'] * 1000:.0f} ms"
        self.watch()

    def task(self, name: str) -> None:
        self.step(f"{name} while the application writes on")
        self.post(f"/v1/tasks/{name}")
        while (status := self._admin.get(f"/v1/tasks/{name}").raise_for_status().json())["state"] in ("running", "paused"):
            self.pause(0.2)
        if status["state"] != "done" or status["found"]:
            raise RuntimeError(f"{name} ended {status['state']}: {status['error']} {status['found']} points differ")
        self._show.doing = f"{name}: {status['done']} points"

    def drained(self) -> None:
        self.step("the application stops; the last writes reach the other side")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            journal = self._admin.get("/v1/status").raise_for_status().json()["journal"]
            if not journal["entries"] and not journal["dirty_keys"]:
                return
            self.pause(0.2)
        raise RuntimeError(f"the journal did not drain: {journal}")

    def watch(self) -> None:
        self.pause(self._seconds)

    def post(self, path: str, **body: Any) -> None:
        reply = self._admin.post(path, json=body)
        if not reply.is_success:
            raise RuntimeError(f"{path}: {reply.text}")

    def pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._look()
            self._show.refresh()
            time.sleep(min(0.25, max(0.0, deadline - time.monotonic())))


def settings(source: Started, target: Started, ports: dict[str, int], admin: int, state: Path) -> str:
    return json.dumps(
        {
            "source": source.settings,
            "target": target.settings,
            "listen": {role: f"127.0.0.1:{port}" for role, port in ports.items()},
            "admin": {"address": f"127.0.0.1:{admin}"},
            "state": str(state),
            "routing": {"phase": "passthrough", "shadow": 0.5, "canary": 0.2},
            "telemetry": {"log_format": "text"},
            "gates": GATES[target.product],
        },
        indent=2,
    )


def application(source: Started, uri: str, points: int) -> list[str]:
    return [sys.executable, "-m", f"demo.{source.product}_app", "--uri", uri, "--points", str(points)]


def wait_ready(admin: httpx.Client, sidecar: subprocess.Popen[str], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and sidecar.poll() is None:
        try:
            if admin.get("/readyz").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"the sidecar did not start:\n{log.read_text()[-2000:]}")


def perform(console: Console, pair: str, data: Path, stack: ExitStack, points: int, seconds: float) -> bool:
    products = pair.split("-")
    console.print(f"starting {' and '.join(NAMES[product] for product in products)} ...")
    source, target = (start(product, stack, data / place) for product, place in zip(products, PLACES, strict=True))
    console.print(f"source: {source}\ntarget: {target}")
    if code := program([*application(source, source.url, points), "--load"]):
        raise RuntimeError(f"the application that fills the source ended with {code}")
    ports, admin_port = {role: free_port() for role in ROLES[source.product]}, free_port()
    (data / "vecferry.yaml").write_text(settings(source, target, ports, admin_port, data / "state"))
    command = [str(Path(sys.executable).parent / "vecferry"), "run", "--config", str(data / "vecferry.yaml")]
    log = data / "vecferry.log"
    sidecar = child(stack, command, log)
    admin = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{admin_port}", timeout=60))
    wait_ready(admin, sidecar, log)
    address = f"http://127.0.0.1:{ports[ROLES[source.product][0]]}"
    working = Application(stack, application(source, address, points), data / "app.log")
    show = Show(console, admin, working, " -> ".join(NAMES[product] for product in products))
    living = {"the application": working.ended, "the sidecar": sidecar.poll}
    living |= {f"the {place}'s {NAMES[side.product]}": side.ended for place, side in zip(PLACES, (source, target), strict=True)}
    walk = Walk(admin, show, working, living, seconds)
    with Live(show, console=console, refresh_per_second=4, transient=False), walk.told_why():
        walk.begun()
        migrate(walk, *(NAMES[product] for product in products))
        working.finish()
        walk.drained()
        show.refresh()
    return judge(console, working, source, target)


def migrate(walk: Walk, source: str, target: str) -> None:
    target = f"the new {target}" if source == target else target
    walk.step(f"passthrough: every byte goes to {source}")
    walk.watch()
    walk.phase("mirror", f"mirror: every accepted write goes to {target} too")
    walk.task("backfill")
    walk.task("verify")
    walk.phase("shadow", f"shadow: searches are repeated on {target} and compared")
    walk.phase("canary", f"canary: {target} answers a fifth of the reads")
    walk.change("cutover", "cutover")
    walk.change("rollback", "rolled back")
    walk.change("cutover", "cutover again")


def judge(console: Console, working: Application, source: Started, target: Started) -> bool:
    console.print("\ncomparing every point of both databases with their own SDKs:")
    command = [sys.executable, "-m", "demo.compare", *(f"{side.product}={side.url}" for side in (source, target))]
    equal, clean = program(command) == 0, not working.errors and working.operations > 0
    console.print("both sides are equal" if equal else "the sides DIFFER", style="green" if equal else "bold red")
    words = f"the application made {working.operations} calls and saw {working.errors} errors {working.last_error}"
    console.print(words, style="green" if clean else "bold red")
    return equal and clean


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pair", nargs="?", choices=PAIRS, default=PAIRS[0])
    parser.add_argument("--points", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=6, help="how long each phase is watched")
    given = parser.parse_args()
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="vecferry-demo-") as folder:
        try:
            with ExitStack() as stack:
                return 0 if perform(console, given.pair, Path(folder), stack, given.points, given.seconds) else 1
        except KeyboardInterrupt:
            console.print("everything is stopped", style="yellow")
            return 130
        except (RuntimeError, httpx.HTTPError, subprocess.SubprocessError) as error:
            console.print(f"{error}", style="bold red", markup=False)
            for name in ("vecferry.log", "app.log"):
                if (log := Path(folder) / name).exists():
                    console.print(f"--- end of {name}\n{log.read_text()[-3000:]}", markup=False)
            return 1


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
