"""`vecferry torture`."""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, Progress, TextColumn

from proxy.cli.terminal import REFUSED, USAGE, console, errors, fail
from proxy.errors import ProxyError


@click.command()
@click.option(
    "--config", "path", type=click.Path(path_type=Path), required=True, help="Of the running sidecar; staging, not production."
)
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), required=True, help="How long its clients work.")
@click.option("--seed", type=int, help="Of what the clients and the troubles choose; by chance when absent.")
@click.option("--clients", type=click.IntRange(1, 64), default=4, show_default=True)
@click.option("--change-primary", is_flag=True, help="Cut over and roll back while they work; gives the primary back.")
@click.option("--spawn", is_flag=True, help="Run the sidecar as a child, kill it again and again (kill -9) and start it again.")
@click.option("--keep", is_flag=True, help="Leave the run's collections on both sides.")
@click.option(
    "--history", type=click.Path(path_type=Path), default=Path("vecferry-torture.jsonl"), show_default=True, help="Every call."
)
@click.option("--json", "json_output", is_flag=True, help="Print JSON.")
def torture(json_output: bool, path: Path, minutes: float, seed: int | None, **options: Any) -> None:
    """Write, delete and read through the sidecar in collections of its own, and prove that nothing is lost (docs/torture.md).

    Exit codes: 0 clean, 1 violations, 2 it could not run to its end.
    """
    from proxy.torture import run as torturing  # noqa: PLC0415  the SDKs load slowly: not for --help

    chosen = torturing.Options(
        config=path, seconds=60 * minutes, seed=secrets.randbits(32) if seed is None else seed, **options
    )
    with Progress(
        TextColumn("{task.description}"), BarColumn(), console=errors, disable=json_output, transient=True
    ) as progress:
        bar = progress.add_task("", total=None)
        try:
            report = torturing.run(
                chosen, lambda what, done, total: progress.update(bar, description=what, completed=done, total=total or None)
            )
        except ProxyError as error:
            fail(USAGE, "\n".join([str(error), *getattr(error, "__notes__", ())]))
    if json_output:
        print(json.dumps(report.document(), indent=2))  # noqa: T201
    else:
        console.print("\n".join(report.lines()), markup=False, highlight=False, soft_wrap=True)
    sys.exit(0 if report.clean else REFUSED)
