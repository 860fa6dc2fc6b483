"""`python -m proxy.local.qdrant`: the same as `vecferry local qdrant`."""

from __future__ import annotations

from pathlib import Path

import click

from proxy.errors import Refused
from proxy.local.qdrant.config import LocalQdrantConfig
from proxy.local.qdrant.run import run


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=6333, show_default=True, help="REST; 0 takes a free port.")
@click.option("--grpc-port", default=6334, show_default=True, help="0 takes a free port.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), required=True, help="Directory; made when absent.")
@click.option("--api-key", envvar="QDRANT_API_KEY", default=None)
@click.option("--optimize", is_flag=True, help="Build the HNSW indexes before the server is ready.")
def main(host: str, port: int, grpc_port: int, data: Path, api_key: str | None, optimize: bool) -> None:
    """A local Qdrant-compatible server."""
    config = LocalQdrantConfig(data=data, host=host, port=port, grpc_port=grpc_port, api_key=api_key, optimize=optimize)
    try:
        run(config)
    except Refused as refusal:
        raise click.ClickException(str(refusal)) from refusal


if __name__ == "__main__":
    main()
