"""What to do with a request: phase x kind, as a table. Nothing after it looks at the phase."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from proxy.ports import Kind
from proxy.routing.phase import Row


class Action(StrEnum):
    RELAY = "relay"
    """Bytes untouched to the primary."""
    MIRROR = "mirror"
    """Relay to the primary, journal, bring to the secondary."""
    SAMPLE = "sample"
    """Relay to the primary; a share is repeated on the secondary, and in phase canary a share is answered by it."""
    READ = "read"
    """Translate, run on the primary (of another product), encode; a share is repeated on the secondary."""
    WRITE = "write"
    """Translate, journal, run on the primary (of another product), encode."""
    ANSWER = "answer"
    """From the catalog."""
    REFUSE = "refuse"
    """By name, in the client's protocol."""


def actions(row: Row, *, same_product: bool) -> Mapping[Kind, Action]:
    """`same_product`: the client's product is the primary's, so its bytes can be relayed there."""
    if same_product:
        return {
            Kind.READ: Action.SAMPLE if row.shadow or row.canary else Action.RELAY,
            Kind.WRITE: Action.MIRROR if row.mirror else Action.RELAY,
            Kind.SCHEMA: Action.MIRROR if row.mirror else Action.RELAY,
            Kind.ADMIN: Action.RELAY,
            Kind.OPAQUE: Action.RELAY,
        }
    return {
        Kind.READ: Action.READ,
        Kind.WRITE: Action.WRITE,
        Kind.SCHEMA: Action.WRITE,
        Kind.ADMIN: Action.ANSWER,
        Kind.OPAQUE: Action.REFUSE,
    }
