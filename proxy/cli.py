"""The operator's commands. Each one but `run`, `torture`, `local` and `config` is a call of the admin API.

Exit codes: 0 done and true; 1 refused or false (a gate is closed, a check failed); 2 wrong usage or config;
3 the sidecar cannot be reached; 4 it failed.
"""

from __future__ import annotations

import json
import os
import resource
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

import click
import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from proxy import config as settings
from proxy.control import render
from proxy.errors import ConfigError, ProxyError

PIPED_WIDTH: Final = 200
"""Columns where nobody looks at a terminal: a script must not lose a word to a narrow guess."""
console: Final = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
errors: Final = Console(stderr=True)

REFUSED, USAGE, UNREACHABLE, FAILED = 1, 2, 3, 4
POLL: Final = 0.5


def fail(code: int, message: str) -> NoReturn:
    errors.print(f"vecferry: {message}", style="bold red", highlight=False, soft_wrap=True, markup=False)
    sys.exit(code)


class Admin:
    """The admin API of one sidecar. `json_output`: print what it says as it says it."""

    def __init__(self, client: httpx.Client, json_output: bool) -> None:
        self._http = client
        self.json_output = json_output

    def call(self, method: str, path: str, **body: Any) -> Any:
        """The reply's JSON. Ends the program where it is not a success."""
        given = {name: value for name, value in body.items() if value not in (None, ())}
        try:
            asks = method == "GET"
            reply = self._http.request(method, path, params=given if asks else None, json=None if asks else given)
        except httpx.HTTPError as error:
            fail(UNREACHABLE, f"cannot reach the admin API at {self._http.base_url}: {error}")
        if reply.is_success:
            return reply.json()
        return self._failed(reply)

    def _failed(self, reply: httpx.Response) -> NoReturn:
        try:
            document = reply.json()
        except ValueError:
            fail(FAILED, f"{reply.status_code} {reply.text[:200]}")
        if self.json_output:
            print(json.dumps(document, indent=2))  # noqa: T201
            sys.exit(FAILED if reply.status_code >= 500 else REFUSED)
        if "gates" in document:
            errors.print(render.gates(document["gates"]))
        fail(FAILED if reply.status_code >= 500 else REFUSED, document.get("error", reply.text))

    def show(self, document: Any, text: Callable[[Any], Any]) -> None:
        if self.json_output:
            print(json.dumps(document, indent=2))  # noqa: T201
        else:
            console.print(text(document))


def operator(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that every call of the admin API has; the command gets an Admin first."""

    @click.option(
        "--admin", "url", default="http://127.0.0.1:9900", envvar="VECFERRY_ADMIN", show_default=True, help="Admin API."
    )
    @click.option("--token", envvar="VECFERRY_ADMIN_TOKEN", help="Its token; here others on this machine can see it.")
    @click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        envvar="VECFERRY_ADMIN_TOKEN_FILE",
        help="The file that holds its token.",
    )
    @click.option("--json", "json_output", is_flag=True, help="Print JSON.")
    def wrapped(url: str, token: str | None, token_file: Path | None, json_output: bool, **given: Any) -> Any:
        shown = token or _read_token(token_file)
        headers = {b"authorization": f"Bearer {shown}".encode()} if shown else {}
        try:
            client = httpx.Client(base_url=url, headers=headers, timeout=120.0)
        except httpx.InvalidURL as error:
            fail(USAGE, f"--admin {url}: {error}")
        with client:
            return command(Admin(client, json_output), **given)

    wrapped.__name__ = command.__name__
    wrapped.__doc__ = command.__doc__
    return wrapped


def _read_token(path: Path | None) -> str:
    try:
        return path.read_text("utf-8").strip() if path is not None else ""
    except (OSError, UnicodeDecodeError) as error:
        fail(USAGE, f"--token-file {path}: {error.strerror if isinstance(error, OSError) else 'no text'}")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vecferry", prog_name="vecferry")
def main() -> None:
    """Moves a live application from one vector database to another: no downtime, no client change."""


# ---- what runs here ----


@main.command()
@click.option("--config", "path", type=click.Path(path_type=Path), required=True, help="The settings (docs/configuration.md).")
@click.option(
    "--takeover", is_flag=True, help="Take the ports and the state over from a running sidecar, without a client error."
)
def run(path: Path, takeover: bool) -> None:
    """Run the sidecar."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold every secret
    try:
        config = settings.load(path)
        from proxy import app  # noqa: PLC0415  the SDKs load slowly: not for other commands, nor to find a slip in the file

        app.run(path, config, takeover=takeover)
    except ConfigError as error:
        fail(USAGE, str(error))
    except ProxyError as error:
        fail(FAILED, str(error))


@main.group()
def config() -> None:
    """Look at settings without running anything."""


@config.command("check")
@click.argument("path", type=click.Path(path_type=Path))
def config_check(path: Path) -> None:
    """Check a config file; says nothing of the databases (`vecferry check` does)."""
    try:
        settings.load(path)
    except ConfigError as error:
        fail(USAGE, str(error))
    console.print(f"{path}: in order")


@config.command("keys")
def config_keys() -> None:
    """Every key with its type, default and meaning, as Markdown."""
    from proxy.control.keys import markdown  # noqa: PLC0415

    print(markdown(), end="")  # noqa: T201


@main.command()
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
    from proxy.torture import run as torturing  # noqa: PLC0415  the SDKs load slowly

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


@main.group()
def local() -> None:
    """Small servers for demos, tests and laptops."""


@local.command("qdrant")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=6333, show_default=True, help="REST; 0 for a free one.")
@click.option("--grpc-port", default=6334, show_default=True, help="gRPC; 0 for a free one.")
@click.option("--data", type=click.Path(path_type=Path), default=Path("./qdrant-data"), show_default=True)
@click.option("--api-key", envvar="QDRANT_API_KEY", help="Ask clients for it.")
def local_qdrant(host: str, port: int, grpc_port: int, data: Path, api_key: str | None) -> None:
    """A local Qdrant server on Qdrant's own engine (docs/local-qdrant.md says what it lacks)."""
    try:
        from proxy.local.qdrant.config import LocalQdrantConfig  # noqa: PLC0415
        from proxy.local.qdrant.run import run as serve  # noqa: PLC0415
    except ImportError as error:
        fail(USAGE, f"the local server needs an extra: pip install 'vecferry[local]' ({error})")
    try:
        serve(LocalQdrantConfig(data=data, host=host, port=port, grpc_port=grpc_port, api_key=api_key))
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


# ---- calls of the admin API ----


@main.command()
@operator
def status(admin: Admin) -> None:
    """Where the migration stands."""
    admin.show(admin.call("GET", "/v1/status"), render.status)


@main.command()
@operator
def check(admin: Admin) -> None:
    """Ask both sides who they are, and whether the migration can run."""
    document = admin.call("GET", "/v1/check")
    admin.show(document, render.check)
    sys.exit(0 if document["ok"] else REFUSED)


@main.command()
@click.argument("collections", nargs=-1)
@operator
def plan(admin: Admin, collections: tuple[str, ...]) -> None:
    """How each collection lands on the target: settings, losses, refusals."""
    document = admin.call("GET", "/v1/plan", collections=",".join(collections) or None)
    admin.show(document, render.plan)
    sys.exit(REFUSED if any(fit["refusals"] for fit in document["collections"]) else 0)


@main.command()
@operator
def assess(admin: Admin) -> None:
    """The calls that this application makes, and which of them the target could not answer."""
    document = admin.call("GET", "/v1/assess")
    admin.show(document, render.assess)
    sys.exit(REFUSED if document["unanswerable"] else 0)


@main.command()
@click.argument("name", type=click.Choice([phase.value for phase in settings.Phase]))
@click.option("--why", default="", help="Kept in the history.")
@operator
def phase(admin: Admin, name: str, why: str) -> None:
    """Enter a phase."""
    admin.show(admin.call("POST", "/v1/phase", phase=name, why=why, who=_who()), render.changed)


@main.command()
@click.option("--force", "forced", multiple=True, metavar="GATE", help="Go on although this gate is closed; needs --why.")
@click.option("--why", default="", help="Kept in the history.")
@operator
def cutover(admin: Admin, forced: tuple[str, ...], why: str) -> None:
    """Make the target the primary, when every gate is open."""
    admin.show(admin.call("POST", "/v1/cutover", force=forced, why=why, who=_who()), render.changed)


@main.command()
@click.option("--force", "forced", multiple=True, metavar="GATE", help="Go on although this gate is closed; needs --why.")
@click.option("--why", default="", help="Kept in the history.")
@operator
def rollback(admin: Admin, forced: tuple[str, ...], why: str) -> None:
    """Make the source the primary again."""
    admin.show(admin.call("POST", "/v1/rollback", force=forced, why=why, who=_who()), render.changed)


def _task(name: str, text: str) -> None:
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
    main.command(name)(command)


_task("backfill", "Copy what was there before; all collections, or those named.")
_task("verify", "Compare every point of both sides, while writes go on. Exit code 1 where they differ.")
_task("repair", "Settle every divergence that verify found.")


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


@main.command()
@click.argument("collection", required=False)
@click.option("--limit", default=20, show_default=True)
@operator
def diff(admin: Admin, collection: str | None, limit: int) -> None:
    """What differs: the points that verify found, and the worst queries of the shadow."""
    admin.show(admin.call("GET", "/v1/diff", collection=collection, limit=limit), render.diff)


@main.command()
@click.argument("what", type=click.Choice(["list", "retry", "discard"]), default="list")
@click.argument("numbers", nargs=-1, type=int)
@operator
def parked(admin: Admin, what: str, numbers: tuple[int, ...]) -> None:
    """Points that the secondary refused for good: list them, try them again, or give them up (all, or those named)."""
    if what == "list":
        admin.show(admin.call("GET", "/v1/parked"), render.parked)
    else:
        admin.show(admin.call("POST", f"/v1/parked/{what}", numbers=numbers), render.parked)


@main.command()
@click.argument("what", type=click.Choice(["mirror", "backfill", "verify", "repair"]), default="mirror")
@operator
def pause(admin: Admin, what: str) -> None:
    """Stop writing to the secondary for a while (the journal keeps everything), or pause a long task."""
    admin.show(admin.call("POST", f"/v1/pause/{what}"), render.words)


@main.command()
@click.argument("what", type=click.Choice(["mirror", "backfill", "verify", "repair"]), default="mirror")
@operator
def resume(admin: Admin, what: str) -> None:
    """Go on."""
    admin.show(admin.call("POST", f"/v1/resume/{what}"), render.words)


@main.command()
@click.argument("task", type=click.Choice(["backfill", "verify", "repair"]))
@operator
def cancel(admin: Admin, task: str) -> None:
    """Stop a long task; it goes on from there when it is started again."""
    admin.show(admin.call("POST", f"/v1/tasks/{task}/cancel"), render.task)


@main.command()
@operator
def history(admin: Admin) -> None:
    """Every phase that was entered: when, by whom, why, and which gates were overruled."""
    admin.show(admin.call("GET", "/v1/history"), render.history)


def _who() -> str:
    return os.environ.get("VECFERRY_WHO") or os.environ.get("USER") or "operator"
