"""Every metric in one table. Business code counts; nobody else formats a label."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry()

REQUESTS: Final = Counter("vecferry_requests", "Requests of clients", ["call", "action"], registry=REGISTRY)
REFUSALS: Final = Counter(
    "vecferry_refusals", "Requests that we refused ourselves, by call and reason", ["call", "reason"], registry=REGISTRY
)
CANARY_FALLBACKS: Final = Counter(
    "vecferry_canary_fallbacks", "Canary reads that the primary answered after all", ["reason"], registry=REGISTRY
)
TRANSLATED_SECONDS: Final = Histogram(
    "vecferry_translated_seconds",
    "Time of a call that was run on a side of another product",
    ["call"],
    registry=REGISTRY,
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
HOLD_SECONDS: Final = Histogram(
    "vecferry_hold_seconds",
    "How long writes waited while the primary changed",
    registry=REGISTRY,
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)

JOURNAL_ENTRIES: Final = Gauge("vecferry_journal_entries", "Writes that the secondary may not have yet", registry=REGISTRY)
JOURNAL_BYTES: Final = Gauge("vecferry_journal_bytes", "Bytes of the bodies in the journal", registry=REGISTRY)
JOURNAL_LAG: Final = Gauge("vecferry_journal_lag_seconds", "Age of the oldest write in the journal", registry=REGISTRY)
DIRTY_KEYS: Final = Gauge("vecferry_dirty_keys", "Points not known to be equal on both sides", registry=REGISTRY)
PARKED: Final = Gauge("vecferry_parked", "Points that the secondary refused for good", registry=REGISTRY)
DIVERGENCES: Final = Gauge("vecferry_divergences", "Points found different by verify", ["collection"], registry=REGISTRY)
UNVERIFIED: Final = Gauge("vecferry_unverified_collections", "Collections whose equality is not known", registry=REGISTRY)
FAULTS: Final = Gauge("vecferry_faults", "Parts stopped by a fault of ours: restart the sidecar", registry=REGISTRY)
EPOCH: Final = Gauge("vecferry_epoch", "Number of changes of primary", registry=REGISTRY)
PRIMARY: Final = Gauge("vecferry_primary", "1 for the place that is primary", ["place"], registry=REGISTRY)
PHASE: Final = Gauge("vecferry_phase", "1 for the phase that holds", ["phase"], registry=REGISTRY)
TASK_DONE: Final = Gauge("vecferry_task_done", "Points done by a long task", ["task"], registry=REGISTRY)
TASK_TOTAL: Final = Gauge("vecferry_task_total", "Points of a long task in all", ["task"], registry=REGISTRY)
GATE: Final = Gauge("vecferry_gate", "1 open, 0 closed, -1 not enough samples yet", ["gate"], registry=REGISTRY)
SHADOW_SAMPLES: Final = Gauge("vecferry_shadow_samples", "Reads compared", ["collection"], registry=REGISTRY)
SHADOW_RECALL: Final = Gauge("vecferry_shadow_recall", "Mean recall of the secondary", ["collection"], registry=REGISTRY)
SHADOW_BOUND: Final = Gauge(
    "vecferry_shadow_recall_lower_bound", "Lower confidence bound of the mean recall", ["collection"], registry=REGISTRY
)
WORKERS: Final = Gauge("vecferry_workers", "Worker processes that accept clients", registry=REGISTRY)
WORKER_RESTARTS: Final = Counter("vecferry_worker_restarts", "Workers that died and were started again", registry=REGISTRY)
CONNECTIONS: Final = Gauge("vecferry_connections", "Connections of clients", ["role"], registry=REGISTRY)
CERTIFICATE_EXPIRES: Final = Gauge(
    "vecferry_certificate_expires_seconds", "Until the certificate ends; negative: it has", ["file"], registry=REGISTRY
)
CERTIFICATE_BROKEN: Final = Gauge(
    "vecferry_certificate_broken",
    "1: files were replaced by some that cannot be used",
    ["files"],
    registry=REGISTRY,
)
TURNED_AWAY: Final = Counter(
    "vecferry_turned_away", "Clients that did not get as far as a request: TLS", ["role", "reason"], registry=REGISTRY
)
