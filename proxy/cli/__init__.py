"""The operator's commands. Each one but `run`, `torture`, `local` and `config` is a call of the admin API."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from proxy.net.form import form

_CALLS: Final = (
    "status", "check", "plan", "assess", "phase", "cutover", "rollback", "backfill", "verify", "repair",
    "diff", "parked", "pause", "resume", "cancel", "history",
)  # fmt: skip
COMMANDS: Final = {name: name for name in ("run", "config", "torture", "local")} | dict.fromkeys(_CALLS, "calls")
"""The command -> the module of this package that holds it, loaded when it is asked for."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found = getattr(import_module(f"{__name__}.{COMMANDS[cmd_name]}"), cmd_name)
        assert isinstance(found, click.Command)
        return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vecferry", message=f"vecferry, version %(version)s (relay: {form()})")
def main() -> None:
    """Moves a live application from one vector database to another: no downtime, no client change."""
