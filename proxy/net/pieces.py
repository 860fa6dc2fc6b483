"""Pieces that wait: of many small bodies one is made, since a piece costs more than the few bytes that a peer sent for it.

Owns: joining. Not: what pieces are (ends), where they wait (exchange, relaying, serving, the sender of HTTP/2).
"""

from __future__ import annotations

from proxy.net.ends import BODY, Piece
from proxy.net.limits import JOINED


def joined(first: Piece, second: Piece) -> Piece | None:
    """Both as one; None where they are not two small bodies, the first of them not the last of all."""
    if first.kind is not BODY or second.kind is not BODY or first.end:
        return None
    if len(first.wire) + len(second.wire) > JOINED:
        return None
    wire = first.wire + second.wire
    bare = first.content is first.wire and second.content is second.wire
    return Piece(BODY, wire, wire if bare else first.content + second.content, second.end)


def add_piece(pieces: list[Piece], piece: Piece) -> None:
    """At the end, joined to the last one where that can be."""
    one = joined(pieces[-1], piece) if pieces else None
    if one is None:
        pieces.append(piece)
    else:
        pieces[-1] = one
