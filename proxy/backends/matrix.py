"""The support matrix, printed from the declarations: `python -m proxy.backends.matrix > docs/support-matrix.md`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final

from proxy.backends.milvus.features import BEFORE_2_4 as MILVUS_BEFORE_2_4
from proxy.backends.milvus.features import FEATURES as MILVUS
from proxy.backends.qdrant.features import FEATURES as QDRANT
from proxy.model.feature import Feature, Support
from proxy.model.schema import Product

DECLARED: Final[Mapping[Product, Mapping[Feature, Support]]] = {Product.MILVUS: MILVUS, Product.QDRANT: QDRANT}
OLDER: Final[Mapping[Product, tuple[str, Mapping[Feature, Support]]]] = {Product.MILVUS: ("before 2.4", MILVUS_BEFORE_2_4)}
"""What servers that are taken too, but are older, do otherwise."""

_INTRODUCTION: Final = """\
# What each side can do

Printed from the declarations in the code (`python -m proxy.backends.matrix`). Every cell is tested by the conformance suite.

- **native**: one request with the same meaning
- **emulated**: the same meaning, by our work
- **absent**: refused by this name, in the client's own protocol; `vecferry assess` counts such calls before a cutover
  (what is only kept less exactly, as the last bit of a double, is compared as exactly as both sides keep it)
"""


def markdown(declared: Mapping[Product, Mapping[Feature, Support]] = DECLARED) -> str:
    rows = [_row("feature", [product.value for product in declared]), _row("---", ["---"] * len(declared))]
    rows += [_row(feature, [_cell(product, declared[product], feature) for product in declared]) for feature in Feature]
    return "\n".join([_INTRODUCTION, *rows, ""])


def _cell(product: Product, supports: Mapping[Feature, Support], feature: Feature) -> str:
    when, older = OLDER.get(product, ("", supports))
    return supports[feature] if older[feature] is supports[feature] else f"{supports[feature]}; {older[feature]} {when}"


def _row(first: str, cells: list[str]) -> str:
    return f"| {' | '.join([first, *cells])} |"


if __name__ == "__main__":
    sys.stdout.write(markdown())
