"""The few Protocols that the core needs, and the plain data that crosses them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from proxy.errors import ProxyError
from proxy.model.feature import Feature, Support
from proxy.model.operation import (
    Consistency,
    Count,
    Fetch,
    Hits,
    Page,
    Read,
    Result,
    Scan,
    SchemaWrite,
    Search,
    Write,
)
from proxy.model.point import Key, Point
from proxy.model.schema import Product, Schema

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Names in lower case; HTTP/2's pseudo-headers left out."""


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request. `body` as on the wire: over gRPC that is the length-prefixed message."""

    method: bytes
    path: bytes
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply. Over gRPC `status` is 200 and the outcome is in `trailers` (in `headers` where trailers-only)."""

    status: int
    headers: Headers
    body: bytes
    trailers: Headers = ()


# ---- the client's path: net calls the router, the router answers with what to do ----


class Retry(StrEnum):
    """What may be sent to an upstream twice when the first connection died before a reply byte."""

    SAFE = "safe"
    NEVER = "never"


class Upstream(Protocol):
    """A pool of connections to one port of one side."""

    @property
    def name(self) -> str: ...


class Tap(Protocol):
    """Watches one relayed exchange, and may hold it back at two points. Every call comes from the event loop.

    A tap that does not hold back calls `go` at once. Exactly one of `done` and `failed` is called, once, last.
    """

    limit: int
    """Bytes of request and of reply body that are kept for the tap; above it `body` is None."""

    def request(self, request: Request | None, go: Callable[[Reply | None], None]) -> None:
        """The request is complete (None: larger than `limit`). Its last message bytes are forwarded at `go(None)`.

        `go(reply)` sends that reply instead and gives the upstream request up (reset there; `failed(sent=False)` follows).
        """

    def reply(self, reply: Reply | None, go: Callable[[Reply | None], None]) -> None:
        """The upstream's whole reply (None: larger than `limit`); its last bytes reach the client at `go(None)`.

        Only where nothing of the reply was sent yet may `go` be given another reply to send in its place.
        """

    holds_reply: bool
    """True: nothing of the reply is sent before `go` (bounded by `limit`, above it the head goes out); False: it streams."""

    def done(self, reply: Reply | None) -> None:
        """After the reply has gone to the client: the upstream's whole reply (None: larger than `limit`)."""

    def failed(self, error: ProxyError, *, sent: bool) -> None:
        """No complete reply. `sent`: the last bytes of the request had been forwarded, so its outcome is unknown."""


@dataclass(frozen=True, slots=True)
class RelayTo:
    """`tap`, `otherwise` and `ended` exclude each other."""

    upstream: Upstream
    retry: Retry = Retry.NEVER
    tap: Tap | None = None
    otherwise: Otherwise | None = None
    """Only for a request that a work was given whole."""
    ended: Callable[[], None] | None = None
    """Called once, when the reply has gone to the client, or when there will be none."""


@dataclass(frozen=True, slots=True)
class Otherwise:
    """Where a request goes that the upstream did not answer well; its client sees nothing of the try.

    The reply is held until `good` has seen it, up to `limit` bytes: what is larger is taken for good. `patience`: seconds
    until it must be there.
    """

    to: Callable[[], RelayTo]
    """Asked when it is needed."""
    good: Callable[[Reply], bool]
    limit: int
    patience: float


Work: TypeAlias = Callable[[Request], Coroutine[Any, Any, "Reply | RelayTo"]]


class Exchange(Protocol):
    """One request and its reply on a client's connection, HTTP/1.1 or HTTP/2 alike."""

    method: bytes
    path: bytes
    authority: bytes
    """The name under which the client came."""

    def headers(self) -> Headers:
        """Decoded on demand."""

    def relay(self, to: RelayTo) -> None:
        """Forward everything, what has come and what will come."""

    def serve(self, work: Work) -> None:
        """Collect the whole body (bounded), run `work`, send its reply or relay as it says. Cancelled when the client goes."""


class Handler(Protocol):
    def begin(self, exchange: Exchange, role: str) -> None:
        """A request's head is complete. Calls `relay` or `serve`, now or later; until then the body waits, bounded by credit.

        `role` names the listening port (`grpc`, `rest` ...). Must not raise and must not block.
        """


# ---- frontends ----


class Kind(StrEnum):
    READ = "read"
    WRITE = "write"
    SCHEMA = "schema"
    ADMIN = "admin"
    """Answered from the catalog alone after cutover: connect, versions, load states, flush."""
    OPAQUE = "opaque"
    """No meaning in the model: relayed while the client's product is the primary's, refused by name afterwards."""

    __hash__ = str.__hash__  # an Enum's own is a call of Python, and every request asks tables by it


@dataclass(frozen=True, slots=True)
class Route:
    """What is known of a request from its method and path alone."""

    kind: Kind
    name: str
    """The product's own name of the call (`Upsert`, `PUT /collections/{name}/points`): metrics, logs, refusals."""
    retry: Retry = Retry.NEVER
    by_filter: bool = False
    """The write may select points by a filter, so its body is decoded before it is forwarded."""
    needs_reply: bool = False
    """Keys or contents are in the primary's reply: the journal keeps it."""
    changes_data: bool = False
    """Opaque, but it changes data in a way that we cannot follow: the migration's collections become unverified."""


class Outcome(StrEnum):
    """How a write ended on the primary."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Catalog(Protocol):
    """What the client's collections are, kept by us so that it can be told after cutover."""

    def resolve(self, name: str) -> str:
        """The collection behind a name or alias. Raises NotFound."""

    def schema(self, collection: str) -> Schema:
        """Raises NotFound. Takes names and aliases."""

    def collections(self) -> tuple[str, ...]: ...

    def aliases(self) -> Mapping[str, str]:
        """alias -> collection"""

    def loaded(self, collection: str) -> bool: ...

    def fact(self, name: str) -> str:
        """Something that the source said of itself, such as `version`; "" where unknown."""


class Frontend(Protocol):
    """One product's wire protocol. Pure: no I/O, no state beyond caches."""

    product: Product
    speaks: frozenset[Feature]
    """What this protocol can ask for."""
    max_body: int
    """The product's own limit of a request's body in bytes; larger ones are refused as the product does."""

    def route(self, method: bytes, path: bytes, role: str) -> Route: ...

    def collection(self, request: Request, catalog: Catalog) -> str:
        """The collection that the request names (aliases resolved where known); "" where it names none. Cheap."""

    def decode(self, request: Request, catalog: Catalog, reply: Reply | None = None) -> Write | Read:
        """`reply`: the primary's to this write; with it ids and contents that the server made are in the operation.

        Raises Refused (malformed, or NotFound) and Unsupported.
        """

    def outcome(self, request: Request, reply: Reply) -> Outcome:
        """Of a write."""

    def is_error(self, request: Request, reply: Reply) -> bool:
        """Whether this reply to a read says that it failed."""

    def encode(self, request: Request, operation: Write | Read, result: Result, catalog: Catalog) -> Reply: ...

    def answer(self, request: Request, catalog: Catalog) -> Reply:
        """To a call of kind ADMIN, from the catalog alone. Raises Refused and Unsupported."""

    def refuse(self, request: Request, error: ProxyError) -> Reply:
        """The error as this product would say it, to this request."""

    def parse_read(self, request: Request, operation: Read, reply: Reply, catalog: Catalog) -> Result:
        """The primary's reply to a read, in model terms, for comparison. Raises Refused where the reply is an error."""


# ---- backends ----


@dataclass(frozen=True, slots=True)
class ServerInfo:
    product: Product
    version: str


@dataclass(frozen=True, slots=True)
class Fit:
    """How a schema lands on a backend, decided before anything is written.

    `target` is what will be created, as the product's own settings (JSON values); `losses` are sentences of what cannot be
    kept exactly; `refusals` are sentences of what cannot be done at all (then the collection cannot be migrated).
    """

    collection: str
    target: Mapping[str, Any]
    losses: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()


class Backend(Protocol):
    """One side, reached through its SDK. Every call raises only our errors.

    `catalog` (a constructor argument of the implementations) tells the client's schemas: ids, metrics, types.
    Collections are always named as the client names them; aliases are resolved before they come here.
    """

    product: Product
    features: Mapping[Feature, Support]

    async def ping(self) -> ServerInfo:
        """Raises Unavailable (no such host, refused, TLS), Refused (wrong product, wrong credentials, version too old)."""

    async def close(self) -> None: ...

    # data
    async def put(self, points: Sequence[Point]) -> None:
        """Each key's state becomes this; keys are distinct and of one collection. When it returns, the points are durable
        there and a fetch at LATEST sees them. Raises Uncertain where it may land later."""

    async def remove(self, keys: Sequence[Key]) -> None:
        """Of one collection; absent ones are no error. Durable and visible when it returns."""

    async def fetch(self, fetch: Fetch, consistency: Consistency = Consistency.LATEST) -> dict[Key, Point]: ...

    async def scan(self, scan: Scan, consistency: Consistency = Consistency.LATEST) -> Page: ...

    async def search(self, search: Search, consistency: Consistency = Consistency.CLIENT) -> Hits: ...

    async def count(self, count: Count, consistency: Consistency = Consistency.LATEST) -> int: ...

    async def duplicates(self, collection: str) -> int:
        """Rows that no read shows, because another has their id; 0 where ids are unique. Exact only while nobody writes."""

    # schema
    async def collections(self) -> tuple[str, ...]: ...

    async def describe(self, collection: str) -> Schema:
        """As this product sees it. Raises NotFound."""

    async def aliases(self) -> Mapping[str, str]: ...

    def fit(self, schema: Schema) -> Fit:
        """Pure: what `apply(CreateCollection(schema))` would create here."""

    async def apply(self, change: SchemaWrite) -> None:
        """Idempotent: what is already so is no error. AlreadyExists where a collection exists with another schema."""

    async def quiesce(self, collection: str) -> None:
        """After many writes: flush or wait for indexing, so that reads are at full quality. May do nothing."""


# ---- time ----


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...
