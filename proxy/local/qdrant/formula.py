"""Compiles a score formula to the engine's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import qdrant_edge as edge
from qdrant_client import models

from proxy.local.qdrant.engine import twin
from proxy.local.qdrant.filters import compile_condition
from proxy.qdrant.settings import given

_E = edge.Expression

_UNARY: Final[Mapping[type, Callable[[Any], edge.Expression]]] = {
    models.NegExpression: _E.Neg,
    models.AbsExpression: _E.Abs,
    models.SqrtExpression: _E.Sqrt,
    models.ExpExpression: _E.Exp,
    models.Log10Expression: _E.Log10,
    models.LnExpression: _E.Ln,
    models.AcoshExpression: _E.Acosh,
}
_VARIADIC: Final[Mapping[type, Callable[[Any], edge.Expression]]] = {
    models.MultExpression: _E.Mult,
    models.SumExpression: _E.Sum,
    models.MaxExpression: _E.Max,
    models.MinExpression: _E.Min,
}
_DECAYS: Final[Mapping[type, edge.DecayKind]] = {
    models.LinDecayExpression: edge.DecayKind.Lin,
    models.ExpDecayExpression: edge.DecayKind.Exp,
    models.GaussDecayExpression: edge.DecayKind.Gauss,
}


def compile_formula(query: models.FormulaQuery) -> edge.Formula:
    return edge.Formula(_expression(query.formula), query.defaults or {})


def _expression(found: Any) -> edge.Expression:
    match found:
        case int() | float():
            return _E.Constant(float(found))
        case str():
            return _E.Variable(found)
        case models.DivExpression(div=div):
            return _E.Div(_expression(div.left), _expression(div.right), div.by_zero_default)
        case models.PowExpression(pow=power):
            return _E.Pow(_expression(power.base), _expression(power.exponent))
        case models.GeoDistance(geo_distance=geo):
            return _E.GeoDistance(twin(geo.origin), geo.to)
        case models.DatetimeExpression():
            return _E.Datetime(found.datetime)
        case models.DatetimeKeyExpression():
            return _E.DatetimeKey(found.datetime_key)
        case _:
            return _by_kind(found)


def _by_kind(found: Any) -> edge.Expression:
    kind = type(found)
    if kind in _UNARY:
        (inner,) = given(found).values()
        return _UNARY[kind](_expression(inner))
    if kind in _VARIADIC:
        (parts,) = given(found).values()
        return _VARIADIC[kind]([_expression(part) for part in parts])
    if kind in _DECAYS:
        (params,) = given(found).values()
        target = _expression(params.target) if params.target is not None else None
        return _E.Decay(_DECAYS[kind], _expression(params.x), target, params.midpoint, params.scale)
    # what is left are conditions: 1.0 where one holds, else 0.0
    return _E.Condition(compile_condition(found))
