"""How a client's collection fits on Milvus: what would be created, what is lost or changed on the way, what cannot be. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from google.protobuf.json_format import MessageToDict

from proxy.backends.milvus.foreign_ids import MAPPED
from proxy.backends.milvus.foreign_large import MAX_JSON, REST
from proxy.backends.milvus.foreign_names import EXACT, FIELD_NAME, MAX_NAME
from proxy.backends.milvus.foreign_schema import is_loose
from proxy.backends.milvus.foreign_vectors import WIDENED
from proxy.backends.milvus.generation import Generation
from proxy.backends.milvus.landing import Landing
from proxy.errors import Refused, Unsupported
from proxy.milvus.schema import collection_schema, index_params, split_name
from proxy.model.feature import Feature
from proxy.model.schema import DType, IdKind, Metric, Product, VectorField, VectorKind
from proxy.ports import Fit

MAX_DIM: Final = 32_768

_ABSENT_TRAITS: Final[Mapping[VectorKind | DType | Metric | None, Feature]] = {
    VectorKind.MULTI: Feature.MULTI_VECTORS,
    Metric.MANHATTAN: Feature.MANHATTAN,
}


def fit(landing: Landing, generation: Generation) -> Fit:
    refusals = tuple(_refusals(landing, generation))
    losses = (*_losses(landing), *(_foreign_losses(landing, generation) if landing.foreign else ()))
    return Fit(landing.schema.collection, {} if refusals else _target(landing), losses, refusals)


def unsupported(landing: Landing, generation: Generation) -> Iterator[Unsupported]:
    """What the collection has and this Milvus has not."""
    vectors = landing.schema.vectors
    if len(vectors) > generation.vectors:
        yield Unsupported(
            Feature.NAMED_VECTORS, Product.MILVUS, f"the collection has {len(vectors)} vectors; {_most(generation)}"
        )
    for field in vectors.values():
        if field.kind is VectorKind.SPARSE and not generation.sparse:
            yield Unsupported(Feature.SPARSE_VECTORS, Product.MILVUS, f"vector {field.name!r}; {_needs(generation)}")
        for trait in (field.kind, field.dtype, field.metric):
            if trait in _ABSENT_TRAITS:
                yield Unsupported(_ABSENT_TRAITS[trait], Product.MILVUS, f"vector {field.name!r}")


def _most(generation: Generation) -> str:
    return _needs(generation) if generation.vectors == 1 else f"Milvus has {generation.vectors} at most"


def _needs(generation: Generation) -> str:
    return f"needs Milvus 2.4, and the server is {generation.version}"


def _target(landing: Landing) -> Mapping[str, Any]:
    return {
        "collection": landing.stored.collection,
        "schema": MessageToDict(collection_schema(landing.stored), preserving_proto_field_name=True),
        "indexes": index_params(landing.stored),
        "partitions": list(landing.stored.partitions),
    }


# ---- losses ----


def _losses(landing: Landing) -> Iterator[str]:
    if landing.schema.auto_id:
        yield "the collection is created without autoID, because its points come with their ids: clients must give ids"


def _foreign_losses(landing: Landing, generation: Generation) -> Iterator[str]:
    yield from _names_and_ids(landing)
    for name in landing.columns:
        yield from _vector_losses(landing.schema.vectors[name], name in landing.guards)
    if not landing.columns:
        yield "Milvus wants a vector in every collection: it gets one of two dimensions that no client sees"
    if len(landing.columns) > generation.configured > 1:
        yield f"{len(landing.columns)} vectors: more than {generation.configured} need proxy.maxVectorFieldNum set in Milvus"
    if is_loose(landing.schema):
        yield from _payload_losses(landing)
    if not generation.version:
        yield "the server has not told its version yet: this is what Milvus 2.4 and later take"


def _names_and_ids(landing: Landing) -> Iterator[str]:
    schema, stored = landing.schema, landing.stored
    if stored.collection != schema.collection:
        yield f"the collection is named {stored.collection}, because Milvus takes only letters, digits and underscores"
    if schema.id_kind in MAPPED:
        yield f"ids become texts in the primary key {stored.id_name}, in the order that they have: {_ID_FORMS[schema.id_kind]}"
    for name, column in landing.columns.items():
        if name != column:
            yield f"vector {name or '(unnamed)'} is the field {column}"


def _vector_losses(field: VectorField, guarded: bool) -> Iterator[str]:
    name = field.name or "(unnamed)"
    if field.dtype in WIDENED:
        yield f"vector {name} is stored as float32 instead of {field.dtype}: the same values, more memory"
    if guarded:
        yield f"points without vector {name} hold a filler in its place, which no search finds and no client sees"
    if field.kind is VectorKind.SPARSE:
        yield f"points of which vector {name} has negative weights are refused: Milvus takes none"


def _payload_losses(landing: Landing) -> Iterator[str]:
    yield (
        f"the payload is in the dynamic field; what JSON cannot hold exactly is kept in {EXACT} there, and what is beyond "
        f"{MAX_JSON // 1024} KB for a point in {REST}: then filters are slower"
    )
    if indexed := [field.name for field in landing.schema.fields.values() if field.index]:
        yield f"fields without a payload index, so that filters on them are slower: {', '.join(indexed)}"
    if taken := [field for field in landing.schema.fields if landing.names.stored(field) != field]:
        moved = ", ".join(f"{name} as {landing.names.stored(name)}" for name in taken)
        yield f"payload fields named as columns of ours are stored under another name: {moved}"


_ID_FORMS: Final[Mapping[IdKind, str]] = {
    IdKind.UINT64_OR_UUID: "a number is its 20 decimal digits, a UUID has a u in front",
    IdKind.UUID: "a UUID is its usual form",
}


# ---- refusals ----


def _refusals(landing: Landing, generation: Generation) -> Iterator[str]:
    stored = landing.stored
    yield from landing.schema.refusals
    yield from map(str, unsupported(landing, generation))
    name = split_name(stored.collection)[1]
    if landing.foreign and not FIELD_NAME.fullmatch(name):
        yield f"{landing.schema.collection!r} cannot be the name of a collection in Milvus"
    fields = (stored.id_name, *stored.vectors, *stored.fields)
    for field in fields:
        if not FIELD_NAME.fullmatch(field):
            yield f"{field!r} cannot be the name of a field in Milvus"
    if too_long := [each for each in (name, *fields) if len(each) > MAX_NAME]:
        yield f"names of more than {MAX_NAME} characters: {', '.join(too_long)}"
    yield from (f"two fields would be named {field}" for field, times in Counter(fields).items() if times > 1)
    yield from (_dimension(field, generation) for field in landing.schema.vectors.values() if _misfits(field, generation))
    try:
        collection_schema(stored)
    except Refused as refusal:
        yield str(refusal)


def _misfits(field: VectorField, generation: Generation) -> bool:
    if field.kind is not VectorKind.DENSE or field.dtype is DType.BINARY:
        return False
    return not generation.min_dim <= field.dim <= MAX_DIM


def _dimension(field: VectorField, generation: Generation) -> str:
    name = field.name or "(unnamed)"
    return f"vector {name} has dimension {field.dim}; Milvus has {generation.min_dim} to {MAX_DIM}"
