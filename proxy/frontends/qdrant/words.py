"""What is said in refusals."""

from __future__ import annotations

from typing import Final

TARGET: Final = "a target of another product"
"""Who cannot, in a refusal of what the model has no word for."""
