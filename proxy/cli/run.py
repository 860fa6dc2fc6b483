"""`vecferry run`."""

from __future__ import annotations

import resource
from pathlib import Path

import click

from proxy import config as settings
from proxy.cli.terminal import FAILED, USAGE, fail
from proxy.errors import ConfigError, ProxyError


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), required=True, help="The settings (docs/configuration.md).")
@click.option(
    "--takeover", is_flag=True, help="Take the ports and the state over from a running sidecar, without a client error."
)
def run(path: Path, takeover: bool) -> None:
    """Run the sidecar."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold every secret
    try:
        config = settings.load(path)
        from proxy import app  # noqa: PLC0415  loads slowly: not to find a slip in the file

        app.run(path, config, takeover=takeover)
    except ConfigError as error:
        fail(USAGE, str(error))
    except ProxyError as error:
        fail(FAILED, str(error))
