"""nginx's settings as a proxy: both protocols on one port, connections to the upstream kept, nothing written to disk; and as
a bare relay of bytes. Pure.

Bodies are passed on as they come, but for a mirror, which nginx makes of a whole body only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from benchmarks.relay.bodies import SERVICE

_CONFIG: Final = """
daemon off; master_process off; worker_processes 1; error_log {root}/nginx.err warn; pid {root}/nginx.pid;
events {{ worker_connections 8192; }}
http {{
 access_log off; keepalive_requests 100000000; http2_max_concurrent_streams 1024;
 client_body_buffer_size 4m; client_max_body_size 100m; client_body_temp_path {root}/t1; proxy_temp_path {root}/t2;
 fastcgi_temp_path {root}/t3; uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
 proxy_max_temp_file_size 0; proxy_buffers 16 32k; proxy_buffer_size 16k; grpc_buffer_size 64k;
 upstream rest {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 100000000; }}
 upstream grpc {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 100000000; }}
 server {{
  listen 127.0.0.1:{port} backlog=4096; http2 on;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering {buffering};
  location / {{ {mirror_rest} proxy_pass http://rest; }}
  location {service} {{ {mirror_grpc} grpc_pass grpc://grpc; }}
  location = /copy-rest {{ internal; proxy_pass http://rest$request_uri; }}
  location = /copy-grpc {{ internal; rewrite ^ $request_uri break; grpc_pass grpc://grpc; }}
 }}
}}
"""

_BARE: Final = """
daemon off; master_process off; worker_processes 1; error_log {root}/nginx.err warn; pid {root}/nginx.pid;
events {{ worker_connections 8192; }}
stream {{
 server {{ listen 127.0.0.1:{port} backlog=4096; proxy_buffer_size 64k; proxy_pass 127.0.0.1:{upstream}; }}
}}
"""


def bare(root: Path, port: int, upstream: int) -> str:
    """It looks at nothing that it passes on: a connection of its own to the upstream for each that it takes."""
    return _BARE.format(root=root, port=port, upstream=upstream)


def config(root: Path, port: int, upstream: int, *, mirror: bool) -> str:
    return _CONFIG.format(
        root=root,
        port=port,
        upstream=upstream,
        service=SERVICE,
        buffering="on" if mirror else "off",
        mirror_rest="mirror /copy-rest;" if mirror else "",
        mirror_grpc="mirror /copy-grpc;" if mirror else "",
    )
