"""The one server behind every proxy of a run: nginx, which gives ready answers to both protocols on one port.

It reads a request to its end before it answers, as a database does: hence the `mirror` to nowhere, which waits for the body.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.processes import NGINX, start
from benchmarks.relay import bodies
from demo.servers import free_port

_CONFIG: Final = """
daemon off; master_process off; worker_processes 1; error_log {root}/upstream.err warn; pid {root}/upstream.pid;
events {{ worker_connections 8192; }}
http {{
 access_log off; open_file_cache max=100; keepalive_requests 100000000; http2_max_concurrent_streams 1024;
 client_body_buffer_size 4m; client_max_body_size 100m; client_body_temp_path {root}/t1; proxy_temp_path {root}/t2;
 fastcgi_temp_path {root}/t3; uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
 map $http_x_reply $size {{ default ""; "~^\\d+$" ".$http_x_reply"; }}
 types {{}}
 server {{
  listen 127.0.0.1:{port} backlog=4096; http2 on; root {root}/replies$size; error_page 405 =200 $uri;
  location = /nowhere {{ internal; return 204; }}
  location {rest} {{ default_type application/json; try_files $uri =404; }}
  location {rest}upsert {{ default_type application/json; mirror /nowhere; try_files $uri =404; }}
  location {grpc} {{ default_type application/grpc; add_trailer grpc-status 0; mirror /nowhere; try_files $uri =404; }}
 }}
}}
"""


def upstream(root: Path, sizes: Iterable[int], dim: int, stack: ExitStack) -> int:
    """Its port. Answers reads in each of these sizes; its collection has vectors of `dim`."""
    root.mkdir(parents=True)
    root.chmod(0o755)
    replies = root / "replies"
    for method, message in bodies.catalog(dim).items():
        _write(replies, bodies.SERVICE + method, bodies.framed(message))
    _write(replies, bodies.REST + "upsert", bodies.REST_MUTATED)
    for size in sizes:
        chosen = root / f"replies.{size}"
        _write(chosen, bodies.SERVICE + "Search", bodies.search_reply(size))
        _write(chosen, bodies.REST + "search", bodies.rest_search_reply(size))
    port = free_port()
    (root / "upstream.conf").write_text(_CONFIG.format(root=root, port=port, rest=bodies.REST, grpc=bodies.SERVICE))
    start("upstream", NGINX, ["-p", str(root), "-c", "upstream.conf"], root, port, stack)
    return port


def _write(replies: Path, path: str, body: bytes) -> None:
    file = replies / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
