from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from proxy.control import render

STATUS: dict[str, Any] = {
    "phase": "mirror",
    "epoch": 1,
    "primary": "source",
    "source": {"product": "milvus", "url": "http://s:1"},
    "target": None,
    "holding": False,
    "journal": {
        "entries": 0,
        "oldest_seconds": 0.0,
        "dirty_keys": 0,
        "parked": 0,
        "promise": "kept",
        "paused": False,
        "last_error": "",
    },
    "tasks": [],
    "collections": {},
    "gates": [],
    "debts": {},
    "note": "",
    "certificates": [],
    "listen": {},
    "config_error": "",
    "preparing": "",
    "faults": {},
}
ONE = {"pid": 1, "accepting": True, "connections": 3, "requests": 9, "restarts": 0, "silent_seconds": 0.1}
DYING = {"pid": 0, "accepting": False, "connections": 0, "requests": 0, "restarts": 4, "silent_seconds": 0.0}


@pytest.mark.parametrize(
    ("workers", "says"),
    [
        ([], None),
        ([ONE, ONE], "2 of 2 accept, 6 connections, 0 restarts"),
        ([ONE, DYING], "1 of 2 accept, 3 connections, 4 restarts"),
    ],
    ids=["none", "two", "one that dies"],
)
def test_the_status_tells_of_workers_where_there_are_some(workers, says) -> None:
    console = Console(width=100)
    with console.capture() as printed:
        console.print(render.status(STATUS | {"workers": workers}))
    lines = [line.split(maxsplit=1)[1].strip() for line in printed.get().splitlines() if line.startswith("workers")]
    assert lines == ([] if says is None else [says])
