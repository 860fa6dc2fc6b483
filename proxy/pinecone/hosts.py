"""Pinecone gives every index a host of its own; this is how one port of ours stands for all of them.

Owns: what a client is told instead of an index's host, which index a request means by the name it came under, and how both
are written into a role (`data.INDEX@URL`), which is how the rest of the sidecar names a port. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

CONTROL: Final = "control"
DATA: Final = "data"
INDEX: Final = "{index}"
_MORE: Final = f"{DATA}+"
_RANGE: Final = re.compile(r"(.*):(\d{1,5})-(\d{1,5})")
LARGEST_RANGE: Final = 500
NAMELESS: Final = "{index}.localhost"
"""What an index that has neither a port nor a name of its own is called. Resolvers on many machines know it, not on all."""
_NAME: Final = re.compile(r"[a-z0-9-]{1,64}")
_PORT: Final = re.compile(r":\d{1,5}$")
_AUTHORITY: Final = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")
_HOST: Final = re.compile(r"(https?://)?(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?/?")


def index_of(role: str) -> str:
    """The index whose port it is; "" where it is none of one index."""
    return role.removeprefix(f"{DATA}.").partition("@")[0] if role.startswith(f"{DATA}.") else ""


def role_of(index: str, url: str) -> str:
    return f"{DATA}.{index}@{url}"


def host_of(role: str) -> str:
    """Where the index of the role is, as a URL. Raises KeyError for a role of another form."""
    at = role.find("@")
    if at < 0 or not index_of(role):
        raise KeyError(role)
    return role[at + 1 :]


def as_url(host: str) -> str:
    """An index's host as the control plane tells it, without a scheme where TLS is meant; "" where it is none."""
    found = _HOST.fullmatch(host)
    return f"{found[1] or 'https://'}{found[2]}{found[3] or ''}" if found else ""


def spread(listen: Mapping[str, object]) -> dict[str, object]:
    """The settings' `listen` with a port for each of a range: `data: host:5081-5083` is `data`, `data+1` and `data+2`.

    Raises ValueError.
    """
    found = dict(listen)
    if isinstance(given := listen.get(DATA), str) and (parts := _RANGE.fullmatch(given)):
        host, first, last = parts[1], int(parts[2]), int(parts[3])
        if not 0 < first <= last < first + LARGEST_RANGE:
            raise ValueError(f"{given} must be a range of at most {LARGEST_RANGE} ports")
        found |= {DATA if port == first else f"{_MORE}{port - first}": f"{host}:{port}" for port in range(first, last + 1)}
    return found


def is_common(role: str) -> bool:
    return role == DATA or role.startswith(_MORE)


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Names:
    """What clients call the data ports. `ports` by role; `template` with `{index}`, "" where none is configured."""

    ports: Mapping[str, int]
    template: str
    tls: bool

    def told(self, index: str, authority: str, slot: str) -> str:
        """What a client that reached the control port under `authority` is told as the index's host.

        `slot`: the role of the common port that stands for it, "" where none does.
        """
        host = _host_part(authority)
        role = f"{DATA}.{index}" if self.has_port(index) else slot
        if role:
            return self._written(f"{host}:{self.ports[role]}")
        name = (self.template or NAMELESS).replace(INDEX, index)
        return self._written(name if _PORT.search(name) else f"{name}:{self.ports.get(DATA, 0)}")

    def meant(self, authority: str) -> str:
        """The index that a request under `authority` to the common port is for; "" where that does not say."""
        return _meant(self.template or NAMELESS, authority)

    @property
    def common(self) -> tuple[str, ...]:
        """The roles of the ports that stand for whichever indexes there are."""
        return tuple(filter(is_common, self.ports))

    def has_port(self, index: str) -> bool:
        """Of its own, by the settings."""
        return f"{DATA}.{index}" in self.ports

    def _written(self, address: str) -> str:
        # Pinecone's own way is a bare name, which means TLS; clients take a scheme where it is not so.
        return address if self.tls else f"http://{address}"


def checked_template(template: str) -> str:
    """Raises ValueError."""
    if template.count(INDEX) != 1 or not _AUTHORITY.fullmatch(template.replace(INDEX, "x")):
        raise ValueError(f"must be a host name with {INDEX} in it once, perhaps with a port")
    return template.lower()


@lru_cache(1024)  # asked on every request of the data path
def _meant(template: str, authority: str) -> str:
    before, _, after = template.partition(INDEX)
    after = _PORT.sub("", after)
    host = _host_part(authority)
    if not (host.startswith(before) and host.endswith(after) and len(host) > len(before) + len(after)):
        return ""
    index = host[len(before) : len(host) - len(after)]
    return index if is_name(index) else ""


def _host_part(authority: str) -> str:
    found = _AUTHORITY.fullmatch(authority)
    return found[1].lower() if found else "localhost"
