"""The state directory: one migration, one process at a time, and how the last one ended.

Owns: the lock, the identity, the mark of a running process. Not: what is in the databases in it.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from proxy.config import SideConfig
from proxy.errors import Broken, ConfigError, Refused, Unavailable
from proxy.ports import Clock

log = logging.getLogger(__name__)

FORMAT: Final = 1
"""Of everything in the directory; grows when a later version cannot read what an earlier one wrote."""
LOCK_POLL: Final = 0.02
"""Seconds between tries while another process still holds the lock."""
_OURS: Final = ("migration.json", "running", "pinecone.json", "state.db*", "journal.db*")
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Identity:
    """Which migration the state belongs to. `target` is "" until one is known; both are `product url`."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source} -> {self.target or '(no target)'}"

    @classmethod
    def of(cls, source: SideConfig, target: SideConfig | None) -> Identity:
        return cls(_side(source), _side(target) if target else "")


class StateDir:
    """Create it, `acquire`, `begin` when the first client is served, `release`; or `abandon` where something fails.

    `unclean` and `after_power_loss` are known after `acquire`.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.unclean = False
        """The last process did not stop in order."""
        self.after_power_loss = False
        """... and the machine has been restarted since: what was not fsynced is gone. Stays so until `acknowledge`."""
        self._identity = path / "migration.json"
        self._running = path / "running"
        self._clock = clock
        self._lock: int | None = None
        self._fresh = False

    @property
    def database(self) -> Path:
        return self.path / "state.db"

    async def acquire(self, identity: Identity, *, wait: float = 0.0) -> None:
        """Takes the lock, waiting up to `wait` seconds for its holder to go.

        Raises Unavailable (locked; names the pid), Refused (another migration's state, or a later version's) and
        ConfigError (a directory that cannot be made or written).
        """
        self.create()
        self._lock = await self._locked(self._clock.monotonic() + wait)
        try:
            self._check(identity)
            self._note_last_stop()
        except BaseException:
            self._unlock()
            raise

    def release(self) -> None:
        """A stop in order. Everything in the directory must be closed before."""
        self._running.unlink()
        _sync(self.path)
        self._unlock()

    def begin(self) -> None:
        """From now on the directory belongs to this migration."""
        self._fresh = False

    def abandon(self) -> None:
        """A stop out of order. A first start that failed leaves nothing, so that its settings can be corrected."""
        if self._fresh:
            for path in itertools.chain.from_iterable(map(self.path.glob, _OURS)):
                path.unlink()
        self._unlock()

    # ---- the lock ----

    def create(self) -> None:
        """Private to this user. Raises ConfigError."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            loose = [path for path in (self.path, *self._ours()) if path.lstat().st_mode & 0o077]
            for path in loose:
                path.chmod(0o700 if path is self.path else 0o600)
        except OSError as error:
            raise ConfigError("state", f"cannot use the directory {self.path}: {error.strerror}") from error
        if loose:
            log.warning("the state could be read by others; now it cannot", extra={"files": sorted(map(str, loose))})

    def _ours(self) -> Iterator[Path]:
        found = itertools.chain.from_iterable(map(self.path.glob, (*_OURS, "lock")))
        return (path for path in found if not path.is_symlink())

    async def _locked(self, deadline: float) -> int:
        lock = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            while not _try_lock(lock):
                if self._clock.monotonic() >= deadline:
                    raise Unavailable(self._held_by(lock))
                await self._clock.sleep(LOCK_POLL)
        except BaseException:
            os.close(lock)
            raise
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        return lock

    def _held_by(self, lock: int) -> str:
        pid = os.pread(lock, 32, 0).decode("ascii", "replace") or "unknown"
        return f"the state directory {self.path} is in use by process {pid}; stop it first, or give this one another `state`"

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # ---- identity ----

    def _check(self, identity: Identity) -> None:
        known = self._known()
        self._fresh = known is None
        if known is None or (known.source == identity.source and not known.target):
            write_whole(self._identity, json.dumps({"format": FORMAT, **asdict(identity)}))
        elif known.source != identity.source or identity.target not in ("", known.target):
            raise Refused(
                f"the state directory {self.path} belongs to the migration {known}, not to {identity}; "
                f"give this one another `state` directory, or, if only an address changed, correct {self._identity}"
            )

    def _known(self) -> Identity | None:
        try:
            document = json.loads(self._identity.read_text("utf-8"))
            if document["format"] != FORMAT:
                raise Refused(f"{self.path} has state of format {document['format']}; this version reads format {FORMAT}")
            return Identity(document["source"], document["target"])
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise Broken(f"{self._identity} is damaged ({error!r}): restore it, or start with an empty directory") from error

    # ---- the last stop ----

    def acknowledge(self) -> None:
        """What follows from a power loss is durable elsewhere, so the next start need not be told again."""
        write_whole(self._running, _boot_id())

    def _note_last_stop(self) -> None:
        self.unclean = self._running.exists()
        # Without a boot id nobody can tell, so the worse is assumed.
        self.after_power_loss = self.unclean and self._running.read_text("ascii").strip() != (_boot_id() or None)
        if not self.after_power_loss:
            self.acknowledge()


def _boot_id() -> str:
    return BOOT_ID.read_text("ascii").strip() if BOOT_ID.exists() else ""


def _side(side: SideConfig) -> str:
    return f"{side.product} {side.url.rstrip('/')}"


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_whole(path: Path, text: str) -> None:
    """Or not at all; durable. Raises Unavailable."""
    part = path.with_suffix(".part")
    try:
        file = os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        try:
            os.write(file, text.encode())
            os.fsync(file)
        finally:
            os.close(file)
        part.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from error


def _sync(directory: Path) -> None:
    file = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
