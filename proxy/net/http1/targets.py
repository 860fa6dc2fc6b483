"""Request targets and hosts of HTTP/1.1 (RFC 9112, 3.2): whatever form came, the path that is routed by is the one that goes on.

Owns: which targets are taken. Not: where they lead (routing), the rest of a head (heads).
"""

from __future__ import annotations

import re
from typing import Final

_SOUND: Final = re.compile(rb"[\x21\x22\x24-\x7e\x80-\xff]+")
"""No blank, no control character, no fragment: servers cut a target there, each in its own way."""
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+;=%]*|\[[A-Za-z0-9:.]+\])(?::[0-9]{0,5})?")
_ABSOLUTE: Final = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE)


class BadTarget(Exception):
    """Two servers could read it in two ways."""


def path(method: bytes, target: bytes, host: bytes) -> bytes:
    """Raises BadTarget."""
    if not _SOUND.fullmatch(target):
        raise BadTarget("a malformed request target")
    if not _HOST.fullmatch(host):
        raise BadTarget("a malformed Host")
    if target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        return target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise BadTarget("the request target is no path")
    if absolute[1].lower() != host.lower():
        raise BadTarget("the request target names another host than Host")
    return absolute[2] if absolute[2].startswith(b"/") else b"/" + absolute[2]
