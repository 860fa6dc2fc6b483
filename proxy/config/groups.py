"""Every key, in its group, with its meaning, its default, and what must hold between keys of one group."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from proxy.config.values import Address, Bytes, Endpoint, Fraction, Group, Key, Seconds, Secret, TlsVersion, Token
from proxy.model.phase import Phase
from proxy.model.schema import Product
from proxy.pinecone.hosts import checked_template, spread

PINECONE_URL: Final = "https://api.pinecone.io"


class MirrorMode(StrEnum):
    ASYNC = "async"
    SYNC = "sync"
    STRICT = "strict"


class Fsync(StrEnum):
    EVERY_WRITE = "every_write"
    INTERVAL = "interval"
    OFF = "off"


class WhenFull(StrEnum):
    BLOCK = "block"
    SHED = "shed"


def _spread(given: object) -> object:
    return spread(given) if isinstance(given, dict) else given


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class TlsConfig(Group):
    """Towards a side: how its certificate is checked, and ours for mTLS."""

    ca_file: Path | None = None
    """PEM bundle that the server's certificate must chain to; the system's store when absent."""
    cert_file: Path | None = None
    """Our own certificate, for mTLS."""
    key_file: Path | None = None
    """Its key."""
    server_name: str | None = None
    """Name to send (SNI) and to check, when it is not the URL's host."""
    verify: bool = True
    """False accepts any certificate; only for trying out."""
    min_version: TlsVersion = "1.2"
    """The least version of TLS, for what is relayed; our own gRPC calls take 1.2 and 1.3."""

    @model_validator(mode="after")
    def _pair(self) -> TlsConfig:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        return self


class CertificateFiles(Group):
    cert_file: Path
    """PEM certificate that we show, with its chain."""
    key_file: Path
    """Its key."""


class ListenTls(CertificateFiles):
    """On our listening ports."""

    more: tuple[CertificateFiles, ...] = ()
    """Further certificates, each shown to clients that ask for one of its names (SNI); the first where none fits."""
    client_ca_file: Path | None = None
    """When set, clients must show a certificate that chains to it (mTLS)."""
    min_version: TlsVersion = "1.2"
    """The least version of TLS that is spoken."""


class SideConfig(Group):
    """One of the two databases."""

    product: Product
    """What runs there; checked at the start."""
    url: str
    """Base URL. Milvus: gRPC (and REST) address; Qdrant and Weaviate: REST address; Pinecone: the control plane's, and
    https://api.pinecone.io when absent."""
    grpc_url: str | None = None
    """Qdrant and Weaviate: the gRPC address."""
    token: Secret | None = None
    """Milvus: `user:password` or a token, for our own calls (settle, backfill, verify). The target's also takes the place of
    the client's where the client's bytes go there (docs/same-product.md); the source's never does."""
    api_key: Secret | None = None
    """Qdrant, Weaviate, Pinecone; the same."""
    tls: TlsConfig = TlsConfig()
    timeout: Seconds = 30.0
    """For one of our own calls to this side."""

    @model_validator(mode="before")
    @classmethod
    def _known_url(cls, given: object) -> object:
        if isinstance(given, dict) and given.get("product") == Product.PINECONE:
            return {"url": PINECONE_URL, **given}
        return given

    @model_validator(mode="after")
    def _urls(self) -> SideConfig:
        for name in ("url", "grpc_url"):
            value = getattr(self, name)
            if value is not None and not re.fullmatch(r"https?://[^/\s@]+/?", value):
                raise ValueError(f"{name} must look like http://host:port, without credentials")
        return self


class AdminConfig(Group):
    address: Address = "127.0.0.1:9900"
    """host:port of the admin API, metrics and health."""
    token: Token | None = None
    """When set, every call but /healthz and /readyz must bring it as `Authorization: Bearer`."""
    open: bool = False
    """True: whoever reaches the address may command the sidecar; else an address beyond this machine needs a token."""

    @model_validator(mode="after")
    def _closed(self) -> AdminConfig:
        if self.token is None and not self.open and not _is_loopback(self.address):
            raise ValueError(
                f"{self.address} can be reached from other machines, and whoever reaches it commands the sidecar: "
                "set admin.token, or admin.open: true if that is wanted"
            )
        return self


class CollectionRouting(Group):
    phase: Phase | None = None
    """`passthrough` leaves the collection out of the migration; nothing else can be said here."""
    shadow: Fraction | None = None
    """Instead of `routing.shadow` for this collection."""
    canary: Fraction | None = None
    """Instead of `routing.canary` for this collection."""


class RoutingConfig(Group):
    phase: Phase = Phase.PASSTHROUGH
    """Where the migration starts; `cutover` and `complete` are only reached by `vecferry cutover`. Later the state decides."""
    shadow: Fraction = 0.1
    """Share of reads that are repeated on the secondary and compared (phases shadow, canary, and cutover for the way back)."""
    canary: Fraction = 0.0
    """Share of reads that the secondary answers (phase canary)."""
    collections: Mapping[str, CollectionRouting] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _start(self) -> RoutingConfig:
        if self.phase in (Phase.CUTOVER, Phase.COMPLETE):
            raise ValueError(f"phase cannot start as {self.phase}: use `vecferry cutover`, which checks the gates")
        for name, routing in self.collections.items():
            if routing.phase not in (None, Phase.PASSTHROUGH):
                raise ValueError(f"collections.{name}.phase can only be passthrough (left out of the migration)")
        return self


class JournalConfig(Group):
    fsync: Fsync = Fsync.EVERY_WRITE
    """every_write: an acknowledged write survives a power cut; interval: that long may be lost then; off: the system decides.
    A kill of the process loses nothing in any of them."""
    fsync_interval: Seconds = 0.1
    """Of `fsync: interval`."""
    log_bytes: Annotated[Bytes, Field(ge=2**16, le=2**31)] = 32 * 2**20
    """Room on the disk that is taken at the start for what comes and goes; what stays longer goes into the database file."""
    max_bytes: Bytes = 4 * 2**30
    """Size of the bodies kept; above it `when_full` holds."""
    max_entries: int = Field(default=5_000_000, gt=0)
    """Writes kept; above it `when_full` holds."""
    when_full: WhenFull = WhenFull.BLOCK
    """block: writes wait, then get an error; shed: only keys are kept, then the collection is marked unverified."""
    block_timeout: Seconds = 10.0
    """How long a write waits for room before it is refused as unavailable."""
    body_limit: Bytes = 64 * 2**20
    """Larger request bodies are journaled by their keys only."""
    key: Key | None = None
    """When set, what the journal holds is encrypted with it (AES-256-GCM): base64 of 32 random bytes. docs/security.md"""


class MirrorConfig(Group):
    mode: MirrorMode = MirrorMode.ASYNC
    """async: reply at once; sync: wait for the secondary, fall back to the journal when it fails; strict: both or an error."""
    collections: Mapping[str, MirrorMode] = Field(default_factory=dict)
    """Collection to its own mode."""
    sync_timeout: Seconds = 5.0
    """How long a write in mode sync or strict waits for the secondary."""
    batch_points: int = Field(default=1000, gt=0)
    """Points in one write to the secondary."""
    concurrency: int = Field(default=4, gt=0)
    """Settles in flight per collection; beside another one begins only with a full batch."""
    filter_expand_limit: int = Field(default=10_000, gt=0)
    """Keys that a write by filter may touch; above it the collection is marked unverified."""
    linger: Seconds = 60.0
    """Longest time that a request given up may still land; keys are re-checked after it."""
    retry_max: Seconds = 15.0
    """Longest pause between tries while the secondary is down."""


class BackfillConfig(Group):
    page: int = Field(default=3000, gt=0, le=16384)
    """Points read at a time."""
    concurrency: int = Field(default=2, gt=0)
    """Pages in flight to the target."""
    latency_limit: float = Field(default=2.0, gt=1)
    """Slows down when the source's scan latency exceeds this multiple of its calm value."""
    max_rate: float | None = Field(default=None, gt=0)
    """Points a second at most."""


class VerifyConfig(Group):
    page: int = Field(default=1000, gt=0, le=16384)
    """Points compared at a time."""
    recheck_delay: Seconds = 1.0
    """Pause before a difference is looked at again; only what persists is one."""
    tolerance: float = Field(default=1e-5, ge=0)
    """Relative difference of vector components that counts as equal."""


class ShadowConfig(Group):
    queue: int = Field(default=1000, gt=0)
    """Samples waiting to be repeated; the newest win."""
    concurrency: int = Field(default=4, gt=0)
    """Samples repeated at the same time."""
    noise: Fraction = 0.1
    """Share of the samples that is also repeated on the primary, to learn its disagreement with itself."""
    referee: Fraction = 0.1
    """Share of the disagreements that an exact search over the union of both answers decides."""
    keep: int = Field(default=10_000, gt=0)
    """Samples kept in the store."""
    reply_limit: Bytes = 4 * 2**20
    """A read with a larger request or reply is not sampled."""


class GatesConfig(Group):
    """Conditions of cutover. docs/gates.md"""

    journal_lag: Seconds = 5.0
    """Largest age of a write that the secondary lacks."""
    journal_entries: int = 10_000
    """Most writes that the secondary may lack."""
    recall: Fraction = 0.95
    """The lower bound of mean recall@k, at `confidence`, must reach it."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Of the bounds of recall and tail, over all looks at them together."""
    recall_floor: Fraction = 0.8
    """A query is in the tail when its recall is below."""
    tail_share: Fraction = 0.05
    """Largest share of queries in the tail."""
    min_samples: int = Field(default=50, ge=1)
    """Searches of a collection that must have been compared."""
    error_rate: Fraction = 0.01
    """Of the shadow reads on the secondary."""
    latency_ratio: float = Field(default=3.0, gt=0)
    """Secondary's p95 over the primary's."""
    unanswerable: int = Field(default=0, ge=0)
    """Operations seen that the target could not answer."""


class CutoverConfig(Group):
    max_hold: Seconds = 5.0
    """Writes wait at most this long; then the change is called off and nothing has changed."""
    hold_requests: int = Field(default=10_000, gt=0)
    """Writes that may wait; one more is told to come again."""
    hold_bytes: Bytes = 256 * 2**20
    """Bytes of writes that may wait; beyond, the same."""


class RelayConfig(Group):
    connect_timeout: Seconds = 5.0
    """For one try to reach an upstream."""
    bridge: Seconds = 15.0
    """How long a request waits for an upstream that is down before its client is told."""
    idle_timeout: Seconds = 3600.0
    """A client's connection without a request is closed after it."""
    first_byte_timeout: Seconds = 600.0
    """How long an upstream may take to begin its reply."""
    drain: Seconds = 10.0
    """At a stop: how long requests in flight may finish."""
    max_connections: int = Field(default=10_000, gt=0)
    """Of clients, of each worker; further ones are refused."""
    max_streams: int = Field(default=1000, gt=0)
    """HTTP/2 streams a connection."""
    max_header_bytes: Bytes = 64 * 2**10
    """Of one request or reply."""
    buffer_bytes: Bytes = 512 * 2**20
    """Buffered bytes of all connections of a process together."""


class PineconeConfig(Group):
    """Of a source that is Pinecone, where each index has a host of its own. docs/passthrough.md"""

    data_host: Annotated[str, AfterValidator(checked_template)] | None = None
    """What clients are told instead of the indexes' hosts, such as `{index}.vectors.internal:5081`; without a port: that of
    listen.data. Absent: each index gets a port of listen.data."""


class TelemetryConfig(Group):
    otlp_endpoint: Endpoint | None = None
    """OTLP over HTTP, such as http://collector:4318; no traces when absent."""
    trace_share: Fraction = 0.01
    """Share of the clients' requests that is traced; what the sidecar does by itself always is."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged."""
    log_format: Literal["json", "text"] = "json"
    """json: one object a line; text: for people."""


def _address(side: SideConfig) -> tuple[str, str, str | None]:
    return side.product, side.url.rstrip("/"), side.grpc_url


class Config(Group):
    source: SideConfig
    """The database that the application uses today."""
    target: SideConfig | None = None
    """May be absent in phase passthrough."""
    listen: Annotated[Mapping[str, Address], BeforeValidator(_spread)]
    """Role to host:port; the roles that the source's product has. Milvus: grpc; Qdrant and Weaviate: rest, grpc; Pinecone:
    control, data (host:port, or host:first-last, where each index gets a port), and data.INDEX for the port of one index."""
    listen_tls: ListenTls | None = None
    """TLS on those ports; none when absent. Its files are followed when they change, as those of `tls` are."""
    workers: int = Field(default=1, ge=1, le=64)
    """Processes that share those ports; 1: one process does everything. docs/workers.md tells what that is good for."""
    admin: AdminConfig = AdminConfig()
    state: Path = Path("./vecferry-state")
    """Directory of the journal and all that is known of the migration; one a migration, on a disk that survives a restart."""
    routing: RoutingConfig = RoutingConfig()
    journal: JournalConfig = JournalConfig()
    mirror: MirrorConfig = MirrorConfig()
    backfill: BackfillConfig = BackfillConfig()
    verify: VerifyConfig = VerifyConfig()
    shadow: ShadowConfig = ShadowConfig()
    gates: GatesConfig = GatesConfig()
    cutover: CutoverConfig = CutoverConfig()
    relay: RelayConfig = RelayConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
    pinecone: PineconeConfig = PineconeConfig()

    @model_validator(mode="after")
    def _whole(self) -> Config:
        if self.target is not None and _address(self.target) == _address(self.source):
            raise ValueError(f"source and target are the same {self.source.product} at {self.source.url}")
        if self.target is None and self.routing.phase is not Phase.PASSTHROUGH:
            raise ValueError(f"target is needed in phase {self.routing.phase}")
        return self
