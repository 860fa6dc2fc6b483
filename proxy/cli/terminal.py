"""What every command prints with, and how it ends.

Exit codes: 0 done and true; 1 refused or false (a gate is closed, a check failed); 2 wrong usage or config;
3 the sidecar cannot be reached; 4 it failed.
"""

from __future__ import annotations

import sys
from typing import Final, NoReturn

from rich.console import Console

PIPED_WIDTH: Final = 200
"""Columns where nobody looks at a terminal: a script must not lose a word to a narrow guess."""
console: Final = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
errors: Final = Console(stderr=True)

REFUSED, USAGE, UNREACHABLE, FAILED = 1, 2, 3, 4


def fail(code: int, message: str) -> NoReturn:
    errors.print(f"vecferry: {message}", style="bold red", highlight=False, soft_wrap=True, markup=False)
    sys.exit(code)
