"""What a growing sample proves of a mean, at any time that one looks.

Owns: bounds that hold at every look at once, and the verdict against a limit. Not: where the samples come from.

A test that is repeated while samples arrive until it passes proves nothing with a bound for a fixed sample size. These are
*confidence sequences*: the chance that they ever, at any of the looks, exclude the true mean is at most 1 - confidence.
By betting (Waudby-Smith, Ramdas: Estimating means of bounded random variables by betting, JRSS B 86(1), 2024): against
"the mean is at most m" one stakes a share of one's capital on each sample; if the claim is true the capital is a
supermartingale, and by Ville's inequality it exceeds 1/alpha with probability at most alpha. Here the capital is split evenly
over constant stakes (the paper's diversified Kelly bettor), so that it does not depend on the samples' order and counts of
values suffice to compute it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

# Shares of the largest stake that cannot ruin: fine near 1 (samples near 1) and near 0 (many samples near the limit).
_STAKES: Final[npt.NDArray[np.float64]] = 1 / (1 + np.exp(-np.linspace(-6, 4.6, 16)))
_STEPS: Final = 40  # halvings: the bound is exact to 1e-12

Counts = Mapping[float, int]


class Verdict(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    NOT_ENOUGH = "not enough samples"


def lower_bound(counts: Counts, confidence: float) -> float:
    """Of the mean of samples in [0, 1], given as value -> how often. 0 where nothing is known."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _proves(counts, middle, confidence) else (low, middle)
    return low


def upper_bound(counts: Counts, confidence: float) -> float:
    return 1 - lower_bound(_mirrored(counts), confidence)


def at_least(counts: Counts, limit: float, confidence: float) -> Verdict:
    """Is the mean at least `limit`? Each of the two answers is wrong with probability at most 1 - confidence.

    A limit of 1 is never proved: no number of samples excludes a mean just below.
    """
    if limit <= 0 or _proves(counts, limit, confidence):
        return Verdict.PASS
    return Verdict.FAIL if _proves(_mirrored(counts), 1 - limit, confidence) else Verdict.NOT_ENOUGH


def at_most(counts: Counts, limit: float, confidence: float) -> Verdict:
    return at_least(_mirrored(counts), 1 - limit, confidence)


def _mirrored(counts: Counts) -> Counts:
    return {1 - value: times for value, times in counts.items()}


def _proves(counts: Counts, limit: float, confidence: float) -> bool:
    """Whether the samples refute "the mean is at most `limit`", 0 <= limit <= 1."""
    if not counts or limit <= 0:
        return False
    values, times = np.array(list(counts)), np.array(list(counts.values()))
    return _log_capital(values, times, limit) >= math.log(1 / (1 - confidence))


def _log_capital(values: npt.NDArray[np.float64], times: npt.NDArray[np.int64], mean: float) -> float:
    """Of the bettor against "the mean is at most `mean`" > 0, who began with 1. Falls as `mean` grows."""
    growth = np.log1p(np.outer(_STAKES / mean, values - mean)) @ times
    return float(np.logaddexp.reduce(growth) - math.log(len(_STAKES)))
