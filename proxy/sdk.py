"""Where an SDK lies, found without running it: of some we need the generated messages only, not what they load beside those."""

from __future__ import annotations

from importlib.util import find_spec


def folders(name: str) -> list[str]:
    """For the `__path__` of a package whose modules are then the SDK's own. protobuf makes one class of each message, however
    often its module is loaded. Raises ModuleNotFoundError."""
    spec = find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return list(spec.submodule_search_locations)
