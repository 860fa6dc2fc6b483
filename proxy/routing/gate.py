"""The gates: conditions of a change of primary, as data. Pure; docs/gates.md tells each one.

Owns: meaning, order and names of the gates. Not: collecting the facts (proxy/control), recording a forced one (the store).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from proxy.compare.statistics import Verdict, at_least, at_most
from proxy.config import GatesConfig
from proxy.shadow.figures import Figures

_OF_VERDICT: Final[Mapping[Verdict, bool | None]] = {Verdict.PASS: True, Verdict.FAIL: False, Verdict.NOT_ENOUGH: None}


@dataclass(frozen=True, slots=True)
class Gate:
    """`ok` None: not enough samples yet, which lets nobody through. `name`: the kind, and `:collection` where it is of one."""

    name: str
    ok: bool | None
    why: str

    @property
    def kind(self) -> str:
        return self.name.partition(":")[0]


@dataclass(frozen=True, slots=True)
class CollectionFacts:
    """`verified`: a clean pass and no debt since. `debt`: why it is unverified, "" where there is none.

    `figures` None: no sample of it in this epoch.
    """

    name: str
    verified: bool
    debt: str
    divergences: int
    figures: Figures | None


@dataclass(frozen=True, slots=True)
class GateFacts:
    """`oldest_seconds`, `dirty_keys`, `dirty_seconds`, `lingering`: see MirrorStatus. `collections`: those in the migration.

    `excluded`: those left out. `elsewhere`: figures of calls that named no known collection.
    """

    entries: int
    oldest_seconds: float
    dirty_keys: int
    dirty_seconds: float
    lingering: int
    parked: int
    collections: tuple[CollectionFacts, ...]
    excluded: tuple[str, ...]
    elsewhere: Figures | None = None


def gates(facts: GateFacts, config: GatesConfig) -> tuple[Gate, ...]:
    """All of them, the open ones too: the whole mirror's first, then each collection's."""
    whole = (gate(facts, config) for gate in _OF_MIRROR)
    each = (gate(collection, config) for collection in facts.collections for gate in _OF_COLLECTION)
    return (*whole, *each)


def closed(found: Iterable[Gate], forced: Collection[str] = ()) -> tuple[Gate, ...]:
    """Those that forbid the change. `forced`: names such as `recall:books`, or kinds such as `recall` for all collections."""
    return tuple(gate for gate in found if gate.ok is not True and not {gate.name, gate.kind} & set(forced))


# ---- of the whole mirror ----


def _journal(facts: GateFacts, config: GatesConfig) -> Gate:
    ok = facts.oldest_seconds <= config.journal_lag and facts.entries <= config.journal_entries
    limit = f"at most {config.journal_lag:g} s and {config.journal_entries} entries"
    return Gate("journal", ok, f"{facts.oldest_seconds:.1f} s behind with {facts.entries} entries; {limit}")


def _dirty_keys(facts: GateFacts, config: GatesConfig) -> Gate:
    """Live writes by filter make dirty keys all the time; what is settled soon is waited for in the hold."""
    if facts.lingering:
        return Gate("dirty_keys", False, f"{facts.lingering} writes or keys are looked at again after mirror.linger; must be 0")
    why = f"{facts.dirty_keys} keys not yet settled, for {facts.dirty_seconds:.1f} s; at most {config.journal_lag:g} s"
    return Gate("dirty_keys", facts.dirty_seconds <= config.journal_lag, why)


def _parked(facts: GateFacts, _: GatesConfig) -> Gate:
    return Gate("parked", facts.parked == 0, f"{facts.parked} writes that the secondary refused; must be 0")


def _excluded(facts: GateFacts, _: GatesConfig) -> Gate:
    if not facts.excluded:
        return Gate("excluded", True, "no collection is left out of the migration")
    return Gate("excluded", False, f"left out of the migration, so not on the new primary: {', '.join(facts.excluded)}")


def _unanswerable(facts: GateFacts, config: GatesConfig) -> Gate:
    figures = (facts.elsewhere, *(collection.figures for collection in facts.collections))
    seen = {kind: times for found in figures if found is not None for kind, times in found.unanswerable.items()}
    total = sum(sum(found.unanswerable.values()) for found in figures if found is not None)
    what = f": {', '.join(sorted(seen))}" if seen else ""
    return Gate("unanswerable", total <= config.unanswerable, f"{total} calls; at most {config.unanswerable}{what}")


_OF_MIRROR: Final[tuple[Callable[[GateFacts, GatesConfig], Gate], ...]] = (
    _journal,
    _dirty_keys,
    _parked,
    _excluded,
    _unanswerable,
)


# ---- of each collection ----


def _verified(facts: CollectionFacts, _: GatesConfig) -> Gate:
    name = f"verified:{facts.name}"
    if facts.divergences:
        return Gate(name, False, f"{facts.divergences} points differ; run repair")
    if facts.debt:
        return Gate(name, False, f"unverified: {facts.debt}; run verify")
    return Gate(name, facts.verified, "both sides were found equal" if facts.verified else "not verified yet; run verify")


Judge = Callable[[str, Figures, GatesConfig], Gate]


def _searched(kind: str, judge: Judge) -> Callable[[CollectionFacts, GatesConfig], Gate]:
    """A gate that needs `min_samples` searches compared."""

    def gate(facts: CollectionFacts, config: GatesConfig) -> Gate:
        name, found = f"{kind}:{facts.name}", facts.figures
        if found is None or found.samples < config.min_samples:
            return Gate(name, None, f"{found.samples if found else 0} searches compared; needs {config.min_samples}")
        return judge(name, found, config)

    return gate


def _recall(name: str, found: Figures, config: GatesConfig) -> Gate:
    verdict = at_least(found.recalls, config.recall, config.confidence)
    bound = f"mean recall at least {found.recall_lower_bound:.4f} with confidence {config.confidence:g}"
    return Gate(
        name,
        _OF_VERDICT[verdict],
        f"{bound} after {found.samples} searches{_noise(found)}{_rulings(found)}; needs {config.recall:g}",
    )


def _noise(found: Figures) -> str:
    return "" if found.noise_recall is None else f", {found.noise_recall:.4f} of the primary with itself"


def _rulings(found: Figures) -> str:
    """An approximate primary loses hits that the secondary finds; then the gate may be forced with a good conscience."""
    decided = sum(found.rulings.values())
    return f", the secondary right in {found.rulings.get('secondary', 0)} of {decided} disagreements" if decided else ""


def _tail(name: str, found: Figures, config: GatesConfig) -> Gate:
    verdict = at_most(found.tails, config.tail_share, config.confidence)
    share = f"at most {found.tail_upper_bound:.4f} of the searches with confidence {config.confidence:g}"
    return Gate(name, _OF_VERDICT[verdict], f"recall below {config.recall_floor:g} in {share}; may be {config.tail_share:g}")


def _latency(name: str, found: Figures, config: GatesConfig) -> Gate:
    if found.latency is None:
        return Gate(name, None, "no recent read was answered by the secondary")
    p95 = f"p95 {found.latency.secondary_p95 * 1e3:.1f} ms, {found.latency.ratio:.2f} times the primary's"
    return Gate(name, found.latency.ratio <= config.latency_ratio, f"{p95}; may be {config.latency_ratio:g}")


def _violations(name: str, found: Figures, _: GatesConfig) -> Gate:
    return Gate(name, found.violations == 0, f"{found.violations} hits that their search's filter excludes; must be 0")


def _reads(facts: CollectionFacts, config: GatesConfig) -> Gate:
    """Needs no least number: that the points are equal is proved by verify."""
    total, unequal = (facts.figures.reads, facts.figures.unequal) if facts.figures else (0, 0)
    why = f"{unequal} of {total} fetches, scans and counts differ; may be {config.error_rate:g} of them"
    return Gate(f"reads:{facts.name}", unequal <= config.error_rate * total, why)


def _errors(facts: CollectionFacts, config: GatesConfig) -> Gate:
    attempts, errors = (facts.figures.attempts, facts.figures.errors) if facts.figures else (0, 0)
    why = f"{errors} of the last {attempts} reads failed on the secondary; may be {config.error_rate:g} of them"
    enough = attempts >= config.min_samples
    return Gate(f"errors:{facts.name}", errors <= config.error_rate * attempts if enough else None, why)


_OF_COLLECTION: Final[tuple[Callable[[CollectionFacts, GatesConfig], Gate], ...]] = (
    _verified,
    _searched("recall", _recall),
    _searched("tail", _tail),
    _searched("latency", _latency),
    _searched("violations", _violations),
    _reads,
    _errors,
)
