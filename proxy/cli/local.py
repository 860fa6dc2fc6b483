"""`vecferry local`."""

from __future__ import annotations

from pathlib import Path

import click

from proxy.cli.terminal import FAILED, USAGE, fail
from proxy.errors import ProxyError


@click.group()
def local() -> None:
    """Small servers for demos, tests and laptops."""


@local.command("qdrant")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=6333, show_default=True, help="REST; 0 for a free one.")
@click.option("--grpc-port", default=6334, show_default=True, help="gRPC; 0 for a free one.")
@click.option("--data", type=click.Path(path_type=Path), default=Path("./qdrant-data"), show_default=True)
@click.option("--api-key", envvar="QDRANT_API_KEY", help="Ask clients for it.")
@click.option("--optimize", is_flag=True, help="Build the HNSW indexes before it is ready; else searches are exact scans.")
def local_qdrant(host: str, port: int, grpc_port: int, data: Path, api_key: str | None, optimize: bool) -> None:
    """A local Qdrant server on Qdrant's own engine (docs/local-qdrant.md says what it lacks)."""
    try:
        from proxy.local.qdrant.config import LocalQdrantConfig  # noqa: PLC0415
        from proxy.local.qdrant.run import run as serve  # noqa: PLC0415
    except ImportError as error:
        fail(USAGE, f"the local server needs an extra: pip install 'vecferry[local]' ({error})")
    try:
        serve(LocalQdrantConfig(data=data, host=host, port=port, grpc_port=grpc_port, api_key=api_key, optimize=optimize))
    except ProxyError as error:
        fail(FAILED, str(error))


@local.command("pinecone")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=5080, show_default=True, help="Control plane; 0 for a free one.")
@click.option("--data-port", default=5081, show_default=True, help="Of the first index, the next ones follow; 0 for free ones.")
@click.option("--api-key", envvar="PINECONE_API_KEY", help="Ask clients for it.")
def local_pinecone(host: str, port: int, data_port: int, api_key: str | None) -> None:
    """A local Pinecone server, in memory (docs/local-pinecone.md says what it lacks)."""
    from proxy.local.pinecone.config import LocalPineconeConfig  # noqa: PLC0415
    from proxy.local.pinecone.run import run as serve  # noqa: PLC0415

    try:
        serve(LocalPineconeConfig(host=host, port=port, data_port=data_port, api_key=api_key))
    except ProxyError as error:
        fail(FAILED, str(error))
