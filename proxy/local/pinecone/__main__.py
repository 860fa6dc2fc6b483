"""`python -m proxy.local.pinecone`: the same as `vecferry local pinecone`, without loading the rest of the command."""

from __future__ import annotations

import click

from proxy.errors import ProxyError
from proxy.local.pinecone.config import LocalPineconeConfig
from proxy.local.pinecone.run import run


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=5080, show_default=True, help="Control plane; 0 takes a free port.")
@click.option("--data-port", default=5081, show_default=True, help="Of the first index, the next ones follow.")
@click.option("--api-key", envvar="PINECONE_API_KEY", default=None)
def main(host: str, port: int, data_port: int, api_key: str | None) -> None:
    """A local Pinecone-compatible server."""
    try:
        run(LocalPineconeConfig(host=host, port=port, data_port=data_port, api_key=api_key))
    except ProxyError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
