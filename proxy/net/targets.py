"""What a request is addressed to (RFC 9110, 7.1): whatever form came, the path that is routed by is the one that goes on.

Owns: which paths and hosts are taken. Not: where they lead (routing), the rest of a head (http1, http2).
"""

from __future__ import annotations

import re
from typing import Final

_PATH: Final = re.compile(rb"/[\x21\x22\x24-\x7e\x80-\xff]*")
"""No blank, no control character, no fragment: servers cut a path there, each in its own way."""
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+;=%]*|\[[A-Za-z0-9:.%_~\-]+\])(?::[0-9]{0,5})?")
_ABSOLUTE: Final = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE)


class BadTarget(Exception):
    """Two servers could read it in two ways."""


def check(method: bytes, path: bytes, host: bytes) -> None:
    """Raises BadTarget."""
    if not _PATH.fullmatch(path) and not (path == b"*" and method == b"OPTIONS"):
        raise BadTarget("a malformed path")
    if not _HOST.fullmatch(host):
        raise BadTarget("a malformed host")


def path(method: bytes, target: bytes, host: bytes) -> bytes:
    """Of a target in any form that HTTP/1.1 has. Raises BadTarget."""
    found = _ABSOLUTE.fullmatch(target)
    if found is not None and found[1].lower() != host.lower():
        raise BadTarget("the request target names another host than Host")
    if found is not None:
        target = found[2] if found[2].startswith(b"/") else b"/" + found[2]
    check(method, target, host)
    return target
