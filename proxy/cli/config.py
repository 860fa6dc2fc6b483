"""`vecferry config`."""

from __future__ import annotations

from pathlib import Path

import click

from proxy.cli.terminal import USAGE, console, fail
from proxy.config import load
from proxy.control.keys import markdown
from proxy.errors import ConfigError


@click.group()
def config() -> None:
    """Look at settings without running anything."""


@config.command("check")
@click.argument("path", type=click.Path(path_type=Path))
def config_check(path: Path) -> None:
    """Check a config file; says nothing of the databases (`vecferry check` does)."""
    try:
        load(path)
    except ConfigError as error:
        fail(USAGE, str(error))
    console.print(f"{path}: in order")


@config.command("keys")
def config_keys() -> None:
    """Every key with its type, default and meaning, as Markdown."""
    print(markdown(), end="")  # noqa: T201
