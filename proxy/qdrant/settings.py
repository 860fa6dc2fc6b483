"""A collection's settings: as requests give them, as the server tells them back, and the merging of a PATCH into them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import BaseModel
from qdrant_client import models
from qdrant_client.conversions.conversion import GrpcToRest

from proxy.errors import Refused

HNSW_DEFAULTS: Final[Mapping[str, Any]] = {
    "m": 16,
    "ef_construct": 100,
    "full_scan_threshold": 10_000,
    "max_indexing_threads": 0,
}
_OPTIMIZER_DEFAULTS: Final[Mapping[str, Any]] = {
    "deleted_threshold": 0.2,
    "vacuum_min_vector_number": 1000,
    "default_segment_number": 0,
    "indexing_threshold": 10_000,
    "flush_interval_sec": 5,
}
_WAL_DEFAULTS: Final[Mapping[str, Any]] = {"wal_capacity_mb": 32, "wal_segments_ahead": 0, "wal_retain_closed": 1}
_PARAMS: Final = (
    "vectors",
    "sparse_vectors",
    "sharding_method",
    "shard_number",
    "replication_factor",
    "write_consistency_factor",
    "on_disk_payload",
    "payload",
    "id_tracker",
)
_PARAMS_DEFAULTS: Final[Mapping[str, Any]] = {
    "shard_number": 1,
    "replication_factor": 1,
    "write_consistency_factor": 1,
    "on_disk_payload": True,
}


def collection_config(settings: models.CreateCollection) -> models.CollectionConfig:
    told = given(settings)
    optimizers = {**_OPTIMIZER_DEFAULTS, **_plain(settings.optimizers_config)}
    if optimizers.get("max_optimization_threads") == models.MaxOptimizationThreadsSetting.AUTO:
        del optimizers["max_optimization_threads"]
    params: dict[str, Any] = {**_PARAMS_DEFAULTS, **{name: told[name] for name in _PARAMS if name in told}}
    return models.CollectionConfig(
        params=models.CollectionParams(**params),
        hnsw_config=models.HnswConfig(**{**HNSW_DEFAULTS, "on_disk": False, **_plain(settings.hnsw_config)}),
        optimizer_config=models.OptimizersConfig(**optimizers),
        wal_config=models.WalConfig(**{**_WAL_DEFAULTS, **_plain(settings.wal_config)}),
        quantization_config=settings.quantization_config,
        strict_mode_config=models.StrictModeConfigOutput(enabled=False) if settings.strict_mode_config else None,
        metadata=settings.metadata,
    )


def patched(settings: models.CreateCollection, patch: models.UpdateCollection) -> models.CreateCollection:
    """The settings after a PATCH: given fields replace, the rest stays. Raises Refused for a vector that does not exist."""
    fields = {
        "hnsw_config": _merged(models.HnswConfigDiff, settings.hnsw_config, patch.hnsw_config),
        "optimizers_config": _merged(models.OptimizersConfigDiff, settings.optimizers_config, patch.optimizers_config),
        "quantization_config": _quantization(settings.quantization_config, patch.quantization_config),
        "strict_mode_config": patch.strict_mode_config or settings.strict_mode_config,
        "metadata": {**(settings.metadata or {}), **(patch.metadata or {})} or None,
        "vectors": _vectors(settings.vectors, patch.vectors or {}),
        "sparse_vectors": _sparse(settings.sparse_vectors, patch.sparse_vectors or {}),
        **{name: value for name, value in _plain(patch.params).items() if name in models.CreateCollection.model_fields},
    }
    return settings.model_copy(update=fields)


def _plain(model: BaseModel | None) -> dict[str, Any]:
    return given(model) if model is not None else {}


def _merged(kind: type[BaseModel], before: BaseModel | None, patch: BaseModel | None) -> Any:
    merged = {**_plain(before), **_plain(patch)}
    return kind(**merged) if merged else None


def _quantization(before: Any, patch: Any) -> Any:
    if patch is None:
        return before
    return None if isinstance(patch, models.Disabled) else patch


def _vectors(before: Any, patch: Mapping[str, models.VectorParamsDiff]) -> Any:
    if isinstance(before, models.VectorParams):
        named = _each_vector({"": before}, patch)
        return named[""]
    return _each_vector(before, patch) if before else before


def _each_vector(
    before: Mapping[str, models.VectorParams], patch: Mapping[str, models.VectorParamsDiff]
) -> dict[str, models.VectorParams]:
    _check_known(before, patch)
    return {name: _vector(params, patch[name]) if name in patch else params for name, params in before.items()}


def _vector(params: models.VectorParams, patch: models.VectorParamsDiff) -> models.VectorParams:
    fields = {
        **given(patch),
        "hnsw_config": _merged(models.HnswConfigDiff, params.hnsw_config, patch.hnsw_config),
        "quantization_config": _quantization(params.quantization_config, patch.quantization_config),
    }
    return params.model_copy(update=fields)


def _sparse(before: Mapping[str, models.SparseVectorParams] | None, patch: Mapping[str, models.SparseVectorParams]) -> Any:
    _check_known(before or {}, patch)
    return {**(before or {}), **patch} or None


def _check_known(before: Mapping[str, Any], patch: Mapping[str, Any]) -> None:
    for name in patch:
        if name not in before:
            raise Refused(f"Not existing vector name error: {name}")


def given(model: BaseModel) -> dict[str, Any]:
    """The fields of a model that have a value, unconverted."""
    return {name: value for name in type(model).model_fields if (value := getattr(model, name)) is not None}


def dense_by_name(settings: models.CreateCollection) -> dict[str, models.VectorParams]:
    """The unnamed vector has the name ""."""
    match settings.vectors:
        case None:
            return {}
        case models.VectorParams() as single:
            return {"": single}
        case named:
            return dict(named)


# ---- from gRPC ----

# Fields of CreateCollection that are set or not, their names in the REST model, and their conversions.
_FROM_GRPC: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "vectors_config": ("vectors", GrpcToRest.convert_vectors_config),
    "sparse_vectors_config": ("sparse_vectors", GrpcToRest.convert_sparse_vector_config),
    "hnsw_config": ("hnsw_config", GrpcToRest.convert_hnsw_config_diff),
    "wal_config": ("wal_config", GrpcToRest.convert_wal_config_diff),
    "optimizers_config": ("optimizers_config", GrpcToRest.convert_optimizers_config_diff),
    "quantization_config": ("quantization_config", GrpcToRest.convert_quantization_config),
    "strict_mode_config": ("strict_mode_config", GrpcToRest.convert_strict_mode_config),
    "sharding_method": ("sharding_method", GrpcToRest.convert_sharding_method),
    "payload": ("payload", GrpcToRest.convert_payload_storage_params),
    "id_tracker": ("id_tracker", GrpcToRest.convert_id_tracker_params),
    "shard_number": ("shard_number", int),
    "replication_factor": ("replication_factor", int),
    "write_consistency_factor": ("write_consistency_factor", int),
    "on_disk_payload": ("on_disk_payload", bool),
}


def create_request(message: Any) -> models.CreateCollection:
    """Of a gRPC CreateCollection."""
    given = {name: convert(getattr(message, field)) for field, (name, convert) in _FROM_GRPC.items() if message.HasField(field)}
    metadata = GrpcToRest.convert_payload(message.metadata) or None
    return models.CreateCollection(**given, metadata=metadata)


def optional(message: Any, name: str, convert: Callable[[Any], Any] = lambda value: value) -> Any:
    """A field as the REST models have it: None where it is not set."""
    return convert(getattr(message, name)) if message.HasField(name) else None


def datatype(found: Any) -> models.VectorStorageDatatype:
    return models.VectorStorageDatatype(GrpcToRest.convert_datatype(found).value)


def settings_of(config: models.CollectionConfig) -> models.CreateCollection:
    """The request that would make a collection of exactly this configuration."""
    params = given(config.params)
    own = {name: params[name] for name in _PARAMS if name in params}
    return models.CreateCollection(
        **own,
        hnsw_config=models.HnswConfigDiff(**given(config.hnsw_config)),
        optimizers_config=models.OptimizersConfigDiff(**given(config.optimizer_config)),
        wal_config=models.WalConfigDiff(**given(config.wal_config)) if config.wal_config else None,
        quantization_config=config.quantization_config,
        metadata=config.metadata,
    )


def with_vector(settings: models.CreateCollection, name: str, config: models.VectorNameConfig) -> models.CreateCollection:
    """Raises Refused where a vector of the name is there, or cannot be beside an unnamed one."""
    dense, sparse = dense_by_name(settings), settings.sparse_vectors or {}
    if isinstance(settings.vectors, models.VectorParams):
        raise Refused("a collection with one unnamed vector cannot have named ones")
    if name in dense or name in sparse:
        raise Refused(f"vector '{name}' already exists")
    if isinstance(config, models.DenseVectorNameConfig):
        return settings.model_copy(update={"vectors": {**dense, name: dense_params(config.dense)}})
    return settings.model_copy(update={"sparse_vectors": {**sparse, name: sparse_params(config.sparse)}})


def without_vector(settings: models.CreateCollection, name: str) -> models.CreateCollection:
    """Raises Refused where no vector has the name."""
    dense, sparse = dense_by_name(settings), settings.sparse_vectors or {}
    if isinstance(settings.vectors, models.VectorParams) or name not in (*dense, *sparse):
        raise Refused(f"Not existing vector name error: {name}")
    left = {kept: params for kept, params in dense.items() if kept != name}
    left_sparse = {kept: params for kept, params in sparse.items() if kept != name}
    return settings.model_copy(update={"vectors": left or None, "sparse_vectors": left_sparse or None})


def dense_params(config: models.DenseVectorConfig) -> models.VectorParams:
    datatype = models.Datatype(config.datatype.value) if config.datatype is not None else None
    return models.VectorParams(
        size=config.size, distance=config.distance, multivector_config=config.multivector_config, datatype=datatype
    )


def sparse_params(config: models.SparseVectorConfig) -> models.SparseVectorParams:
    datatype = models.Datatype(config.datatype.value) if config.datatype is not None else None
    index = models.SparseIndexParams(datatype=datatype) if datatype is not None else None
    return models.SparseVectorParams(modifier=config.modifier, index=index)
