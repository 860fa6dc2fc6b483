"""The collections and aliases of one data directory, and the file that remembers them.

A collection is a directory with a random name under `collections/`, so that no name is too odd for the file system; the file
`collections.json` maps names to directories and is replaced atomically. A directory that the file does not know is left from an
unfinished create or drop, and is removed at the start.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TextIO, TypeAlias
from uuid import uuid4

import orjson
from pydantic import TypeAdapter
from qdrant_client import models

from proxy.errors import Refused
from proxy.local.qdrant.collection import Collection, FieldSchema
from proxy.local.qdrant.errors import EXISTS, NOT_FOUND, WRONG_INPUT, Fault
from proxy.local.qdrant.settings import check_collection_name, refuse_strict_mode
from proxy.qdrant.settings import patched

FORMAT_VERSION: Final = 1
_EMPTY: Final[dict[str, Any]] = {"version": FORMAT_VERSION, "collections": {}, "aliases": {}}
_INDEXES: Final[TypeAdapter[dict[str, FieldSchema]]] = TypeAdapter(dict[str, FieldSchema])

AliasAction: TypeAlias = models.CreateAliasOperation | models.DeleteAliasOperation | models.RenameAliasOperation


class Registry:
    """Built by `open_registry`; every name given to it may be an alias except where a collection is created or dropped."""

    def __init__(self, root: Path, lock: TextIO) -> None:
        self._root = root
        self._lock = lock  # held for as long as the file stays open
        self._collections: dict[str, Collection] = {}
        self._aliases: dict[str, str] = {}

    def get(self, name: str) -> Collection:
        """Raises Fault when there is none."""
        found = self._collections.get(self._aliases.get(name, name))
        if found is None:
            raise Fault(NOT_FOUND, f"Collection `{name}` doesn't exist!")
        return found

    def exists(self, name: str) -> bool:
        return self._aliases.get(name, name) in self._collections

    def names(self) -> list[str]:
        return list(self._collections)

    def collections(self) -> list[Collection]:
        return list(self._collections.values())

    def aliases(self, collection: str | None = None) -> list[models.AliasDescription]:
        """Those of one collection, or all."""
        of = self.get(collection).name if collection is not None else None
        return [
            models.AliasDescription(alias_name=alias, collection_name=name)
            for alias, name in self._aliases.items()
            if of in (None, name)
        ]

    def create(self, name: str, settings: models.CreateCollection) -> None:
        check_collection_name(name)
        if self.exists(name):
            raise Fault(EXISTS, f"Collection `{name}` already exists!")
        directory = self._root / "collections" / uuid4().hex
        self._collections[name] = Collection.create(name, directory, settings)
        self.save()

    def drop(self, name: str) -> bool:
        """False when there was none, which is no error."""
        collection = self._collections.pop(name, None)
        if collection is None:
            return False
        self._aliases = {alias: of for alias, of in self._aliases.items() if of != name}
        self.save()
        collection.close()
        shutil.rmtree(collection.directory)
        return True

    def patch(self, name: str, patch: models.UpdateCollection) -> None:
        collection = self.get(name)
        refuse_strict_mode(patch.strict_mode_config)
        try:
            collection.settings = patched(collection.settings, patch)
        except Refused as error:
            raise Fault(WRONG_INPUT, str(error)) from None
        self.save()

    def change_aliases(self, actions: Sequence[AliasAction]) -> None:
        """All or none of them."""
        aliases = dict(self._aliases)
        for action in actions:
            self._change(aliases, action)
        self._aliases = aliases
        self.save()

    def save(self) -> None:
        """Durable when it returns."""
        tree = {
            "version": FORMAT_VERSION,
            "collections": {name: _saved(collection) for name, collection in self._collections.items()},
            "aliases": self._aliases,
        }
        _replace(self._root / "collections.json", orjson.dumps(tree, option=orjson.OPT_INDENT_2))

    def close(self) -> None:
        for collection in self._collections.values():
            collection.close()
        self._lock.close()

    def load(self) -> None:
        """Opens every collection. Raises Refused when another version wrote the directory, or one is broken."""
        path = self._root / "collections.json"
        tree: dict[str, Any] = orjson.loads(path.read_bytes()) if path.exists() else _EMPTY
        if tree["version"] != FORMAT_VERSION:
            raise Refused(f"{path} has version {tree['version']}, this program reads {FORMAT_VERSION}")
        self._aliases = dict(tree["aliases"])
        for name, saved in tree["collections"].items():
            self._collections[name] = _loaded(name, self._root / "collections" / saved["directory"], saved)
        self._remove_leftovers({saved["directory"] for saved in tree["collections"].values()})

    def _remove_leftovers(self, known: set[str]) -> None:
        for path in (self._root / "collections").iterdir():
            if path.name not in known:
                shutil.rmtree(path)

    def _change(self, aliases: dict[str, str], action: AliasAction) -> None:
        match action:
            case models.CreateAliasOperation(create_alias=create):
                if create.collection_name not in self._collections:
                    raise Fault(NOT_FOUND, f"Collection `{create.collection_name}` doesn't exist!")
                self._check_free(create.alias_name)
                aliases[create.alias_name] = create.collection_name
            case models.DeleteAliasOperation(delete_alias=delete):
                if aliases.pop(delete.alias_name, None) is None:
                    raise Fault(NOT_FOUND, f"Alias {delete.alias_name} does not exists!")
            case models.RenameAliasOperation(rename_alias=rename):
                if rename.old_alias_name not in aliases:
                    raise Fault(NOT_FOUND, f"Alias {rename.old_alias_name} does not exists!")
                self._check_free(rename.new_alias_name)
                aliases[rename.new_alias_name] = aliases.pop(rename.old_alias_name)

    def _check_free(self, alias: str) -> None:
        if alias in self._collections:
            raise Fault(WRONG_INPUT, f"Collection `{alias}` already exists!")


def open_registry(root: Path) -> Registry:
    """Takes the directory for this process and loads it. Raises Refused when another process has it."""
    (root / "collections").mkdir(parents=True, exist_ok=True)
    lock = (root / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise Refused(f"the data directory {root} is in use by another process") from None
    registry = Registry(root, lock)
    registry.load()
    return registry


def _saved(collection: Collection) -> dict[str, Any]:
    return {
        "directory": collection.directory.name,
        "settings": collection.settings.model_dump(mode="json", exclude_none=True),
        "indexes": _INDEXES.dump_python(collection.indexes, mode="json", exclude_none=True),
    }


def _loaded(name: str, directory: Path, saved: dict[str, Any]) -> Collection:
    settings = models.CreateCollection.model_validate(saved["settings"])
    try:
        return Collection.load(name, directory, settings, _INDEXES.validate_python(saved["indexes"]))
    except Fault as fault:
        raise Refused(f"the collection {name} in {directory} cannot be loaded: {fault}") from fault


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".tmp")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
