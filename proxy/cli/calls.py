"""The commands that are calls of the admin API."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Final

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from proxy.cli.admin import Admin, operator
from proxy.cli.terminal import REFUSED, errors
from proxy.control import render
from proxy.model.phase import Phase

POLL: Final = 0.5


@click.command()
@operator
def status(admin: Admin) -> None:
    """Where the migration stands."""
    admin.show(admin.call("GET", "/v1/status"), render.status)


@click.command()
@operator
def check(admin: Admin) -> None:
    """Ask both sides who they are, and whether the migration can run."""
    document = admin.call("GET", "/v1/check")
    admin.show(document, render.check)
    sys.exit(0 if document["ok"] else REFUSED)


@click.command()
@click.argument("collections", nargs=-1)
@operator
def plan(admin: Admin, collections: tuple[str, ...]) -> None:
    """How each collection lands on the target: settings, losses, refusals."""
    document = admin.call("GET", "/v1/plan", collections=",".join(collections) or None)
    admin.show(document, render.plan)
    sys.exit(REFUSED if any(fit["refusals"] for fit in document["collections"]) else 0)


@click.command()
@operator
def assess(admin: Admin) -> None:
    """The calls that this application makes, and which of them the target could not answer."""
    document = admin.call("GET", "/v1/assess")
    admin.show(document, render.assess)
    sys.exit(REFUSED if document["unanswerable"] else 0)


@click.command()
@click.argument("name", type=click.Choice([phase.value for phase in Phase]))
@click.option("--why", default="", help="Kept in the history.")
@operator
def phase(admin: Admin, name: str, why: str) -> None:
    """Enter a phase."""
    admin.show(admin.call("POST", "/v1/phase", phase=name, why=why, who=_who()), render.changed)


@click.command()
@click.option("--force", "forced", multiple=True, metavar="GATE", help="Go on although this gate is closed; needs --why.")
@click.option("--why", default="", help="Kept in the history.")
@operator
def cutover(admin: Admin, forced: tuple[str, ...], why: str) -> None:
    """Make the target the primary, when every gate is open."""
    admin.show(admin.call("POST", "/v1/cutover", force=forced, why=why, who=_who()), render.changed)


@click.command()
@click.option("--force", "forced", multiple=True, metavar="GATE", help="Go on although this gate is closed; needs --why.")
@click.option("--why", default="", help="Kept in the history.")
@operator
def rollback(admin: Admin, forced: tuple[str, ...], why: str) -> None:
    """Make the source the primary again."""
    admin.show(admin.call("POST", "/v1/rollback", force=forced, why=why, who=_who()), render.changed)


def _task(name: str, text: str) -> click.Command:
    @click.argument("collections", nargs=-1)
    @click.option("--wait", is_flag=True, help="Until it ends, with its progress.")
    @operator
    def command(admin: Admin, collections: tuple[str, ...], wait: bool) -> None:
        document = admin.call("POST", f"/v1/tasks/{name}", collections=collections)
        if wait:
            document = _wait(admin, name)
        admin.show(document, render.task)
        sys.exit(REFUSED if wait and (document["state"] != "done" or document["found"]) else 0)

    command.__doc__ = text
    return click.command(name)(command)


backfill = _task("backfill", "Copy what was there before; all collections, or those named.")
verify = _task("verify", "Compare every point of both sides, while writes go on. Exit code 1 where they differ.")
repair = _task("repair", "Settle every divergence that verify found.")


def _wait(admin: Admin, name: str) -> Any:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=admin.json_output) as progress:
        bar = progress.add_task(name, total=None)
        while True:
            document = admin.call("GET", f"/v1/tasks/{name}")
            progress.update(bar, completed=document["done"], total=document["total"] or None)
            if document["state"] not in ("running", "paused"):
                return document
            time.sleep(POLL)


@click.command()
@click.argument("collection", required=False)
@click.option("--limit", default=20, show_default=True)
@operator
def diff(admin: Admin, collection: str | None, limit: int) -> None:
    """What differs: the points that verify found, and the worst queries of the shadow."""
    admin.show(admin.call("GET", "/v1/diff", collection=collection, limit=limit), render.diff)


@click.command()
@click.argument("what", type=click.Choice(["list", "retry", "discard"]), default="list")
@click.argument("numbers", nargs=-1, type=int)
@operator
def parked(admin: Admin, what: str, numbers: tuple[int, ...]) -> None:
    """Points that the secondary refused for good: list them, try them again, or give them up (all, or those named)."""
    if what == "list":
        admin.show(admin.call("GET", "/v1/parked"), render.parked)
    else:
        admin.show(admin.call("POST", f"/v1/parked/{what}", numbers=numbers), render.parked)


@click.command()
@click.argument("what", type=click.Choice(["mirror", "backfill", "verify", "repair"]), default="mirror")
@operator
def pause(admin: Admin, what: str) -> None:
    """Stop writing to the secondary for a while (the journal keeps everything), or pause a long task."""
    admin.show(admin.call("POST", f"/v1/pause/{what}"), render.words)


@click.command()
@click.argument("what", type=click.Choice(["mirror", "backfill", "verify", "repair"]), default="mirror")
@operator
def resume(admin: Admin, what: str) -> None:
    """Go on."""
    admin.show(admin.call("POST", f"/v1/resume/{what}"), render.words)


@click.command()
@click.argument("task", type=click.Choice(["backfill", "verify", "repair"]))
@operator
def cancel(admin: Admin, task: str) -> None:
    """Stop a long task; it goes on from there when it is started again."""
    admin.show(admin.call("POST", f"/v1/tasks/{task}/cancel"), render.task)


@click.command()
@operator
def history(admin: Admin) -> None:
    """Every phase that was entered: when, by whom, why, and which gates were overruled."""
    admin.show(admin.call("GET", "/v1/history"), render.history)


def _who() -> str:
    return os.environ.get("VECFERRY_WHO") or os.environ.get("USER") or "operator"
