"""Envoy's settings: both protocols on one port, to one upstream, the replies of a mirror thrown away. Pure.

Owns: text. `request_mirror_policies` sends a copy and forgets it: nothing of it survives Envoy, or a target that is down.
"""

from __future__ import annotations

from typing import Any, Final

from benchmarks.relay.bodies import SERVICE

OPTIONS: Final = ["-c", "envoy.json", "--concurrency", "1", "--disable-hot-restart", "-l", "warning"]
_SERVICES: Final = (SERVICE, "/qdrant.Points/")
"""What is gRPC, of each product that is measured."""
_TYPE: Final = "type.googleapis.com/envoy.extensions."
_HTTP2: Final = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": _TYPE + "upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}
_LIMITS: Final = {"max_connections": 10_000, "max_pending_requests": 10_000, "max_requests": 10_000}


def config(port: int, upstream: int, *, mirror: bool) -> dict[str, Any]:
    return {
        "static_resources": {
            "listeners": [_listener(port, mirror=mirror)],
            "clusters": [
                _cluster("rest", upstream),
                _cluster("grpc", upstream) | {"typed_extension_protocol_options": _HTTP2},
            ],
        }
    }


def _listener(port: int, *, mirror: bool) -> dict[str, Any]:
    manager = {
        "@type": _TYPE + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "codec_type": "AUTO",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        *(_route(service, "grpc", mirror=mirror) for service in _SERVICES),
                        _route("/", "rest", mirror=mirror),
                    ],
                }
            ]
        },
        "http_filters": [
            {"name": "envoy.filters.http.router", "typed_config": {"@type": _TYPE + "filters.http.router.v3.Router"}}
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {"address": _address(port), "filter_chains": [{"filters": filters}]}


def _route(prefix: str, cluster: str, *, mirror: bool) -> dict[str, Any]:
    copies = {"request_mirror_policies": [{"cluster": cluster}]} if mirror else {}
    return {"match": {"prefix": prefix}, "route": {"cluster": cluster, "timeout": "60s", **copies}}


def _cluster(name: str, port: int) -> dict[str, Any]:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [_LIMITS]},
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
