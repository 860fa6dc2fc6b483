"""A state database that cannot be read stops the start with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.errors import Broken, Unavailable
from proxy.store.store import Store


def test_a_damaged_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(Broken, match=r"damaged .*; restore state\.db"):
        Store(tmp_path / "state.db").declare("create table t (a)")


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be written"):
        Store(tmp_path / "missing" / "state.db")
