"""Places on the earth: how far they are, and in which figures. Owns the geometry of the geo conditions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from proxy.model.point import GeoPoint

EARTH_RADIUS_METERS: Final = 6_371_008.8


def place_of(value: Any) -> GeoPoint | None:
    """A geo point, or an object that says one; None for anything else."""
    match value:
        case GeoPoint():
            return value
        case {"lon": int() | float() as lon, "lat": int() | float() as lat}:
            return GeoPoint(lon, lat)
        case _:
            return None


def in_box(place: GeoPoint, west: float, south: float, east: float, north: float) -> bool:
    """Not on its edge. A box whose west is greater than its east crosses the 180th meridian."""
    if not south < place.lat < north:
        return False
    return place.lon > west or place.lon < east if west > east else west < place.lon < east


def in_ring(place: GeoPoint, ring: Sequence[GeoPoint]) -> bool:
    """Not on its edge: by the parity of edges that a ray to the east crosses."""
    return not _on_edge(place, ring) and sum(_crosses(place, a, b) for a, b in _edges(ring)) % 2 == 1


def outside(place: GeoPoint, ring: Sequence[GeoPoint]) -> bool:
    """Not on its edge either."""
    return not _on_edge(place, ring) and not in_ring(place, ring)


def _crosses(place: GeoPoint, a: GeoPoint, b: GeoPoint) -> bool:
    if (a.lat > place.lat) == (b.lat > place.lat):
        return False
    return place.lon < a.lon + (place.lat - a.lat) * (b.lon - a.lon) / (b.lat - a.lat)


def _on_edge(place: GeoPoint, ring: Sequence[GeoPoint]) -> bool:
    return any(_touches(place, a, b) for a, b in _edges(ring))


def _touches(place: GeoPoint, a: GeoPoint, b: GeoPoint) -> bool:
    turn = (b.lon - a.lon) * (place.lat - a.lat) - (b.lat - a.lat) * (place.lon - a.lon)
    along = min(a.lon, b.lon) <= place.lon <= max(a.lon, b.lon) and min(a.lat, b.lat) <= place.lat <= max(a.lat, b.lat)
    return turn == 0 and along


def _edges(ring: Sequence[GeoPoint]) -> Iterator[tuple[GeoPoint, GeoPoint]]:
    return zip(ring, (*ring[1:], *ring[:1]), strict=True)


def meters(a: GeoPoint, b: GeoPoint) -> float:
    lat_a, lat_b = math.radians(a.lat), math.radians(b.lat)
    half_lat, half_lon = (lat_b - lat_a) / 2, math.radians(b.lon - a.lon) / 2
    chord = math.sin(half_lat) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_METERS * math.asin(min(1.0, math.sqrt(chord)))
