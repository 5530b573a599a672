"""Types and operations of REST, generated from openapi.yaml by `npm run generate`: do not edit."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from .operation import Operation


class AckInput(TypedDict):
    ids: NotRequired[list[str]]
    claims: NotRequired[list[Claim]]
    verdict: NotRequired[AckVerdict]
    delayMs: NotRequired[int]


class AddressedPayload(TypedDict):
    data: Any
    encoding: NotRequired[Encoding]
    topic: Topic


class AddressedPayloadList(TypedDict):
    messages: list[AddressedPayload]


class AsyncApiDocument(TypedDict):
    asyncapi: str


class AuditEntry(TypedDict):
    id: str
    at: str
    actor: str
    act: str
    detail: dict[str, Any]


class AuditPage(TypedDict):
    items: list[AuditEntry]
    next: str | None


class Capabilities(TypedDict):
    transports: list[str]
    encodings: list[str]
    subprotocols: list[str]
    dhtNamespaces: list[str]
    mdns: bool
    relay: bool
    privateNetwork: bool
    catchUp: bool
    streamCompression: bool
    identityProvider: bool


class Checks(TypedDict):
    started: bool
    draining: bool
    database: str


class ClientBudget(TypedDict):
    name: str
    quota: int
    perSecond: int
    remaining: int
    resetSeconds: int


class ClientInfo(TypedDict):
    id: str
    actions: list[str]
    topics: list[str]
    expiresAt: str | None
    session: bool
    budgets: list[ClientBudget]


class ConfirmedAddress(TypedDict):
    multiaddr: str
    peers: int


class ConsumerChange(TypedDict):
    ackWaitMs: NotRequired[int]
    maxUnacked: NotRequired[int]
    maxDeliveries: NotRequired[int]
    backoffMs: NotRequired[int]


ConsumerGap = TypedDict("ConsumerGap", {
    "from": "Cursor",
    "to": "Cursor",
})


class ConsumerInfo(TypedDict):
    name: ConsumerName
    topics: list[TopicPattern]
    direct: bool
    order: str
    ackWaitMs: int
    maxUnacked: int
    maxDeliveries: int
    backoffMs: int
    createdAt: str
    createdBy: str
    position: Cursor
    gaps: int
    lastGap: NotRequired[ConsumerGap]


class ConsumerInput(TypedDict):
    topics: NotRequired[list[TopicPattern]]
    direct: NotRequired[bool]
    order: NotRequired[DeliveryOrder]
    after: NotRequired[Position]
    ackWaitMs: NotRequired[int]
    maxUnacked: NotRequired[int]
    maxDeliveries: NotRequired[int]
    backoffMs: NotRequired[int]


class ConsumerList(TypedDict):
    items: list[ConsumerInfo]


class ConsumerState(TypedDict):
    name: ConsumerName
    topics: list[TopicPattern]
    direct: bool
    order: str
    ackWaitMs: int
    maxUnacked: int
    maxDeliveries: int
    backoffMs: int
    createdAt: str
    createdBy: str
    position: Cursor
    gaps: int
    lastGap: NotRequired[ConsumerGap]
    unacked: int
    waiting: int
    parked: int
    pending: int
    isPendingExact: bool
    workers: int
    traffic: ConsumerTraffic


class ConsumerTraffic(TypedDict):
    delivered: int
    settled: int


class Counts(TypedDict):
    peers: int
    topics: int
    streams: int


class Delivery(TypedDict):
    id: str
    messageId: str
    to: PeerId
    state: str
    attempts: int
    lastError: str | None
    expiresAt: str
    createdAt: str
    updatedAt: str


class DeliveryPage(TypedDict):
    items: list[Delivery]
    next: str | None


class DhtValue(TypedDict):
    key: DhtKey
    data: Any
    encoding: str
    owner: str | None
    sequence: str | None
    issuedAt: str | None
    record: str | None


class DialInput(TypedDict):
    multiaddr: NotRequired[Multiaddr]
    peerId: NotRequired[PeerId]


class DirectPayload(TypedDict):
    data: Any
    encoding: NotRequired[Encoding]
    expiresInMs: NotRequired[int]


class EmptyBody(TypedDict):
    pass


class ErrorDetail(TypedDict):
    path: str
    message: str
    multiaddr: NotRequired[str]


class Finding(TypedDict):
    check: str
    state: str
    detail: str
    fix: NotRequired[str]


class Findings(TypedDict):
    findings: list[Finding]


class FoundPeer(TypedDict):
    peerId: PeerId
    multiaddrs: list[Multiaddr]


class FoundPeers(TypedDict):
    items: list[FoundPeer]


Gap = TypedDict("Gap", {
    "topic": NotRequired["Topic"],
    "direct": NotRequired["bool"],
    "from": "Cursor",
    "to": "Cursor",
    "reason": "str",
})


class Gateway(TypedDict):
    peerId: PeerId
    engine: str
    version: str
    multiaddrs: list[Multiaddr]
    state: str
    startedAt: str
    lastSeen: str


class GatewayPage(TypedDict):
    items: list[Gateway]
    next: str | None


class HandedOut(TypedDict):
    message: Message
    attempt: int
    claim: Claim


class IdentityConflict(TypedDict):
    peerId: PeerId
    multiaddrs: list[Multiaddr]
    toldBy: str | None
    lastSeen: str


class LogLevel(TypedDict):
    level: str


class LogLevelInput(TypedDict):
    level: Literal["trace", "debug", "info", "warn", "error", "fatal", "silent"]


class LogRange(TypedDict):
    epoch: str
    earliest: Cursor
    latest: Cursor


Message = TypedDict("Message", {
    "cursor": "Cursor",
    "id": "str",
    "kind": "str",
    "topic": NotRequired["Topic"],
    "to": NotRequired["PeerId"],
    "from": "PeerId",
    "sequence": "str",
    "data": "Any",
    "encoding": "str",
    "receivedAt": "str",
    "signature": "str",
    "publicKey": NotRequired["str"],
})


class MessagePage(TypedDict):
    items: list[Message]
    gaps: NotRequired[list[Gap]]
    newer: Cursor
    older: Cursor
    caughtUp: bool
    count: NotRequired[int]
    countIsExact: NotRequired[bool]


class MessageTraffic(TypedDict):
    messagesIn: int
    bytesIn: int
    messagesOut: int
    bytesOut: int


class Node(TypedDict):
    peerId: PeerId
    engine: str
    version: str
    multiaddrs: list[Multiaddr]
    reachability: Reachability
    networks: list[NodeNetwork]
    identityConflicts: list[IdentityConflict]
    capabilities: Capabilities
    startedAt: str
    uptimeMs: int
    counts: Counts
    log: LogRange
    limits: dict[str, int]


class NodeNetwork(TypedDict):
    engine: str
    multiaddrs: list[Multiaddr]
    reachability: Reachability
    peers: int


class OpenApiDocument(TypedDict):
    openapi: str


class ParkedMessage(TypedDict):
    id: str
    cursor: Cursor
    attempts: int
    message: NotRequired[Message]


class ParkedPage(TypedDict):
    items: list[ParkedMessage]
    next: str | None


class Payload(TypedDict):
    data: Any
    encoding: NotRequired[Encoding]


class Peer(TypedDict):
    peerId: PeerId
    multiaddrs: list[Multiaddr]
    state: str
    networks: list[str]
    direction: str | None
    path: str | None
    via: str | None
    beyond: list[PeerId]
    since: str | None
    agent: str | None
    protocols: list[str]
    latencyMs: float | None
    traffic: MessageTraffic
    score: float | None
    firstSeen: str
    lastSeen: str
    topics: list[Topic]
    label: str | None
    gateway: PeerId


class PeerChanges(TypedDict):
    label: NotRequired[str | None]
    blocked: NotRequired[bool]


class PeerPage(TypedDict):
    items: list[Peer]
    next: str | None


class Ping(TypedDict):
    latencyMs: float


class Probe(TypedDict):
    status: str


class Problem(TypedDict):
    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: ProblemCode
    retryable: bool
    errors: NotRequired[list[ErrorDetail]]
    earliest: NotRequired[Cursor]
    latest: NotRequired[Cursor]
    epoch: NotRequired[str]
    budget: NotRequired[str]


class Published(TypedDict):
    id: str
    cursor: Cursor
    topic: Topic
    recipients: int
    gateway: PeerId


class PublishedList(TypedDict):
    items: list[Published]


class PullInput(TypedDict):
    limit: NotRequired[int]
    waitMs: NotRequired[int]
    encoding: NotRequired[Encoding]


class PulledMessages(TypedDict):
    items: list[HandedOut]


class PurgedMessages(TypedDict):
    removed: int


class Reachability(TypedDict):
    state: str
    confirmed: list[ConfirmedAddress]
    observed: list[str]
    relays: list[PeerId]


class Readiness(TypedDict):
    status: str
    checks: Checks
    code: NotRequired[str]
    reason: NotRequired[str]


class ReplayInput(TypedDict):
    ids: NotRequired[list[str]]


class ReplayedMessages(TypedDict):
    replayed: int


class Retention(TypedDict):
    maxAgeMs: int
    maxMessages: int
    maxBytes: int


class RetentionInput(TypedDict):
    maxAgeMs: NotRequired[int | None]
    maxMessages: NotRequired[int | None]
    maxBytes: NotRequired[int | None]


class ServiceAnswer(TypedDict):
    data: Any
    encoding: str


class ServicePage(TypedDict):
    items: list[ServiceView]
    next: str | None


class ServiceRequest(TypedDict):
    data: Any
    encoding: NotRequired[Encoding]
    timeoutMs: NotRequired[int]


class ServiceView(TypedDict):
    service: Service
    providers: int
    concurrency: int
    open: int
    waiting: int
    requests: int
    answers: int
    failures: int
    since: str
    gateway: PeerId


class SettledMessages(TypedDict):
    settled: list[str]
    unknown: list[str]


class Token(TypedDict):
    id: str
    name: str
    actions: list[str]
    topics: list[str]
    createdAt: str
    expiresAt: str | None
    lastUsedAt: str | None


class TokenChanges(TypedDict):
    name: str


class TokenInput(TypedDict):
    name: str
    actions: list[Literal["read", "publish", "direct", "request", "serve", "validate", "dht", "peers", "consume", "webhooks", "admin"]]
    topics: NotRequired[list[TopicPattern]]
    expiresAt: NotRequired[str]


class TokenPage(TypedDict):
    items: list[Token]
    next: str | None


class TokenWithSecret(TypedDict):
    id: str
    name: str
    actions: list[str]
    topics: list[str]
    createdAt: str
    expiresAt: str | None
    lastUsedAt: str | None
    secret: str | None


class TopicChanges(TypedDict):
    retention: RetentionInput


class TopicInput(TypedDict):
    retention: NotRequired[RetentionInput]
    topic: Topic


class TopicJoin(TypedDict):
    retention: NotRequired[RetentionInput]


class TopicNetwork(TypedDict):
    engine: str
    subscribers: int
    bridged: bool


class TopicPage(TypedDict):
    items: list[TopicStats]
    next: str | None


class TopicStats(TypedDict):
    topic: Topic
    joined: bool
    messages: int
    bytes: int
    earliest: str | None
    latest: str | None
    retention: Retention
    traffic: TopicTraffic
    subscribers: int
    networks: list[TopicNetwork]
    gateway: PeerId


class TopicTraffic(TypedDict):
    stored: int
    delivered: int
    sent: int


class TopicUser(TypedDict):
    client: str
    explicit: bool
    joinedAt: str
    usedAt: str


class TopicUsers(TypedDict):
    items: list[TopicUser]


class ValidatorPage(TypedDict):
    items: list[ValidatorView]
    next: str | None


class ValidatorView(TypedDict):
    topic: Topic
    validators: int
    deadlineMs: int
    default: str
    open: int
    accepted: int
    ignored: int
    rejected: int
    late: int
    since: str
    gateway: PeerId


class Webhook(TypedDict):
    id: str
    url: str
    topics: list[TopicPattern]
    direct: bool
    batchSize: int
    batchMs: int
    timeoutMs: int
    headers: list[WebhookHeaderShown]
    state: str
    cursor: Cursor
    failures: int
    failingSince: str | None
    retryAt: str | None
    lastError: str | None
    acceptedAt: str | None
    gap: NotRequired[Gap]
    oldSecretUntil: str | None
    publicKeys: list[str]
    createdAt: str
    createdBy: str


class WebhookAttempt(TypedDict):
    at: str
    webhookId: str
    messages: int
    status: int | None
    durationMs: int
    error: str | None


class WebhookAttempts(TypedDict):
    items: list[WebhookAttempt]


class WebhookChanges(TypedDict):
    url: NotRequired[str]
    topics: NotRequired[list[TopicPattern]]
    direct: NotRequired[bool]
    batchSize: NotRequired[int]
    batchMs: NotRequired[int]
    timeoutMs: NotRequired[int]
    headers: NotRequired[list[WebhookHeader]]
    state: NotRequired[Literal["active", "paused"]]
    after: NotRequired[Position]


class WebhookHeader(TypedDict):
    name: str
    value: str


class WebhookHeaderShown(TypedDict):
    name: str


class WebhookInput(TypedDict):
    url: str
    topics: NotRequired[list[TopicPattern]]
    direct: NotRequired[bool]
    after: NotRequired[Position]
    batchSize: NotRequired[int]
    batchMs: NotRequired[int]
    timeoutMs: NotRequired[int]
    headers: NotRequired[list[WebhookHeader]]


class WebhookPage(TypedDict):
    items: list[Webhook]
    next: str | None


class WebhookTest(TypedDict):
    at: str
    webhookId: str
    status: int | None
    durationMs: int
    error: str | None
    body: str


class WebhookWithSecret(TypedDict):
    id: str
    url: str
    topics: list[TopicPattern]
    direct: bool
    batchSize: int
    batchMs: int
    timeoutMs: int
    headers: list[WebhookHeaderShown]
    state: str
    cursor: Cursor
    failures: int
    failingSince: str | None
    retryAt: str | None
    lastError: str | None
    acceptedAt: str | None
    gap: NotRequired[Gap]
    oldSecretUntil: str | None
    publicKeys: list[str]
    createdAt: str
    createdBy: str
    secret: str


AckVerdict = Literal["ack", "retry", "progress", "drop"]


Cid = str


Claim = str


ConsumerName = str


Cursor = str


DeliveryOrder = Literal["none", "author", "strict"]


DeliveryStateFilter = Literal["queued", "delivered", "expired", "refused", "cancelled"]


DhtKey = str


Encoding = Literal["utf8", "base64", "json"]


IdempotencyKey = str


KindFilter = Literal["topic", "direct"]


Multiaddr = str


PeerId = str


PeerStateFilter = Literal["connected", "known", "blocked"]


Position = str


ProblemCode = str


Service = str


Topic = str


TopicPattern = str


def get_node() -> Operation[Node]:
    """Get this gateway"""
    return Operation("GET", "/v1/node", "json")


def get_findings() -> Operation[Findings]:
    """Examine this gateway"""
    return Operation("GET", "/v1/node/findings", "json")


def list_nodes(
    *,
    after: PeerId | None = None,
    limit: int | None = None,
) -> Operation[GatewayPage]:
    """List the gateways of this database"""
    return Operation("GET", "/v1/nodes", "json", query={"after": after, "limit": limit})


def list_peers(
    *,
    state: PeerStateFilter | None = None,
    topic: Topic | None = None,
    after: PeerId | None = None,
    limit: int | None = None,
) -> Operation[PeerPage]:
    """List connected and known peers"""
    return Operation("GET", "/v1/peers", "json", query={"state": state, "topic": topic, "after": after, "limit": limit})


def dial_peer(
    body: DialInput,
) -> Operation[Peer]:
    """Dial a peer"""
    return Operation("POST", "/v1/peers", "json", body=body)


def get_peer(
    peer_id: PeerId,
) -> Operation[Peer]:
    """Get a peer"""
    return Operation("GET", "/v1/peers/{peerId}", "json", path={"peerId": peer_id})


def update_peer(
    peer_id: PeerId,
    body: PeerChanges,
) -> Operation[Peer]:
    """Label or block a peer"""
    return Operation("PATCH", "/v1/peers/{peerId}", "json", path={"peerId": peer_id}, body=body)


def hang_up_peer(
    peer_id: PeerId,
    *,
    forget: bool | None = None,
) -> Operation[None]:
    """Hang up on a peer"""
    return Operation("DELETE", "/v1/peers/{peerId}", "none", path={"peerId": peer_id}, query={"forget": forget})


def ping_peer(
    peer_id: PeerId,
    body: EmptyBody | None = None,
) -> Operation[Ping]:
    """Ping a connected peer"""
    return Operation("POST", "/v1/peers/{peerId}/ping", "json", path={"peerId": peer_id}, body=body)


def list_topics(
    *,
    after: Topic | None = None,
    limit: int | None = None,
) -> Operation[TopicPage]:
    """List topics that are joined or have messages"""
    return Operation("GET", "/v1/topics", "json", query={"after": after, "limit": limit})


def join_topic_in_body(
    body: TopicInput,
) -> Operation[TopicStats]:
    """Join a topic"""
    return Operation("POST", "/v1/topics", "json", body=body)


def join_topic(
    topic: Topic,
    body: TopicJoin | None = None,
) -> Operation[TopicStats]:
    """Join a topic"""
    return Operation("PUT", "/v1/topics/{topic}", "json", path={"topic": topic}, body=body)


def update_topic(
    topic: Topic,
    body: TopicChanges,
) -> Operation[TopicStats]:
    """Change the retention of a topic"""
    return Operation("PATCH", "/v1/topics/{topic}", "json", path={"topic": topic}, body=body)


def get_topic(
    topic: Topic,
) -> Operation[TopicStats]:
    """Get a topic"""
    return Operation("GET", "/v1/topics/{topic}", "json", path={"topic": topic})


def leave_topic(
    topic: Topic,
    *,
    purge: bool | None = None,
) -> Operation[None]:
    """Leave a topic"""
    return Operation("DELETE", "/v1/topics/{topic}", "none", path={"topic": topic}, query={"purge": purge})


def list_topic_users(
    topic: Topic,
) -> Operation[TopicUsers]:
    """List the clients because of which a topic is joined"""
    return Operation("GET", "/v1/topics/{topic}/users", "json", path={"topic": topic})


def list_validators(
    *,
    after: Topic | None = None,
    limit: int | None = None,
) -> Operation[ValidatorPage]:
    """List the topics whose messages clients of this gateway judge"""
    return Operation("GET", "/v1/validators", "json", query={"after": after, "limit": limit})


def get_dht_value(
    key: DhtKey,
    *,
    encoding: Encoding | None = None,
    timeout_ms: int | None = None,
) -> Operation[DhtValue]:
    """Get a DHT value"""
    return Operation("GET", "/v1/dht/values/{key}", "json", path={"key": key}, query={"encoding": encoding, "timeoutMs": timeout_ms})


def put_dht_value(
    key: DhtKey,
    body: Payload | bytes,
    *,
    timeout_ms: int | None = None,
) -> Operation[DhtValue]:
    """Store a value in the DHT"""
    return Operation("PUT", "/v1/dht/values/{key}", "json", path={"key": key}, query={"timeoutMs": timeout_ms}, body=body)


def get_dht_value_by_query(
    *,
    key: DhtKey,
    encoding: Encoding | None = None,
    timeout_ms: int | None = None,
) -> Operation[DhtValue]:
    """Get a DHT value"""
    return Operation("GET", "/v1/dht/values", "json", query={"key": key, "encoding": encoding, "timeoutMs": timeout_ms})


def put_dht_value_by_query(
    body: Payload | bytes,
    *,
    key: DhtKey | None = None,
    timeout_ms: int | None = None,
) -> Operation[DhtValue]:
    """Store a value in the DHT"""
    return Operation("PUT", "/v1/dht/values", "json", query={"key": key, "timeoutMs": timeout_ms}, body=body)


def find_dht_providers(
    cid: Cid,
    *,
    limit: int | None = None,
    timeout_ms: int | None = None,
) -> Operation[FoundPeers]:
    """Find providers of content"""
    return Operation("GET", "/v1/dht/providers/{cid}", "json", path={"cid": cid}, query={"limit": limit, "timeoutMs": timeout_ms})


def provide_in_dht(
    cid: Cid,
    body: EmptyBody | None = None,
    *,
    timeout_ms: int | None = None,
) -> Operation[None]:
    """Announce that this gateway provides content"""
    return Operation("POST", "/v1/dht/providers/{cid}", "none", path={"cid": cid}, query={"timeoutMs": timeout_ms}, body=body)


def stop_providing_in_dht(
    cid: Cid,
) -> Operation[None]:
    """Stop announcing that this gateway provides content"""
    return Operation("DELETE", "/v1/dht/providers/{cid}", "none", path={"cid": cid})


def find_dht_peer(
    peer_id: PeerId,
    *,
    timeout_ms: int | None = None,
) -> Operation[FoundPeer]:
    """Find the addresses of a peer"""
    return Operation("GET", "/v1/dht/peers/{peerId}", "json", path={"peerId": peer_id}, query={"timeoutMs": timeout_ms})


def find_closest_dht_peers(
    *,
    key: DhtKey,
    limit: int | None = None,
    timeout_ms: int | None = None,
) -> Operation[FoundPeers]:
    """Find the peers closest to a key"""
    return Operation("GET", "/v1/dht/closest", "json", query={"key": key, "limit": limit, "timeoutMs": timeout_ms})


def publish_to_topic(
    topic: Topic,
    body: Payload | bytes,
    *,
    min_recipients: int | None = None,
    wait_ms: int | None = None,
    idempotency_key: IdempotencyKey | None = None,
) -> Operation[Published]:
    """Publish a message to a topic"""
    return Operation("POST", "/v1/topics/{topic}/messages", "json", path={"topic": topic}, query={"minRecipients": min_recipients, "waitMs": wait_ms}, headers={"idempotency-key": idempotency_key}, body=body)


def list_topic_messages(
    topic: Topic,
    *,
    after: Position | None = None,
    before: Position | None = None,
    since: str | None = None,
    until: str | None = None,
    from_: PeerId | None = None,
    order: Literal["asc", "desc"] | None = None,
    limit: int | None = None,
    wait_ms: int | None = None,
    encoding: Encoding | None = None,
    count: bool | None = None,
) -> Operation[MessagePage]:
    """List messages of a topic"""
    return Operation("GET", "/v1/topics/{topic}/messages", "json", path={"topic": topic}, query={"after": after, "before": before, "since": since, "until": until, "from": from_, "order": order, "limit": limit, "waitMs": wait_ms, "encoding": encoding, "count": count})


def purge_topic(
    topic: Topic,
    *,
    through: Position,
) -> Operation[PurgedMessages]:
    """Remove messages of a topic"""
    return Operation("DELETE", "/v1/topics/{topic}/messages", "json", path={"topic": topic}, query={"through": through})


def publish_messages(
    body: AddressedPayloadList,
    *,
    min_recipients: int | None = None,
    wait_ms: int | None = None,
    idempotency_key: IdempotencyKey | None = None,
) -> Operation[PublishedList]:
    """Publish messages to any topics"""
    return Operation("POST", "/v1/messages", "json", query={"minRecipients": min_recipients, "waitMs": wait_ms}, headers={"idempotency-key": idempotency_key}, body=body)


def list_messages(
    *,
    topic: list[TopicPattern] | None = None,
    kind: KindFilter | None = None,
    to: PeerId | None = None,
    after: Position | None = None,
    before: Position | None = None,
    since: str | None = None,
    until: str | None = None,
    from_: PeerId | None = None,
    order: Literal["asc", "desc"] | None = None,
    limit: int | None = None,
    wait_ms: int | None = None,
    encoding: Encoding | None = None,
    count: bool | None = None,
) -> Operation[MessagePage]:
    """List messages of all or several topics"""
    return Operation("GET", "/v1/messages", "json", query={"topic": topic, "kind": kind, "to": to, "after": after, "before": before, "since": since, "until": until, "from": from_, "order": order, "limit": limit, "waitMs": wait_ms, "encoding": encoding, "count": count})


def get_message(
    id: str,
    *,
    encoding: Encoding | None = None,
) -> Operation[Message]:
    """Get a message"""
    return Operation("GET", "/v1/messages/{id}", "json", path={"id": id}, query={"encoding": encoding})


def delete_message(
    id: str,
) -> Operation[None]:
    """Delete a message"""
    return Operation("DELETE", "/v1/messages/{id}", "none", path={"id": id})


def get_message_data(
    id: str,
) -> Operation[bytes]:
    """Get the data of a message"""
    return Operation("GET", "/v1/messages/{id}/data", "bytes", path={"id": id})


def create_consumer(
    name: ConsumerName,
    body: ConsumerInput,
) -> Operation[ConsumerInfo]:
    """Create a consumer"""
    return Operation("PUT", "/v1/consumers/{name}", "json", path={"name": name}, body=body)


def get_consumer(
    name: ConsumerName,
) -> Operation[ConsumerState]:
    """Get a consumer, and what it has to do"""
    return Operation("GET", "/v1/consumers/{name}", "json", path={"name": name})


def update_consumer(
    name: ConsumerName,
    body: ConsumerChange,
) -> Operation[ConsumerInfo]:
    """Change how a consumer delivers"""
    return Operation("PATCH", "/v1/consumers/{name}", "json", path={"name": name}, body=body)


def remove_consumer(
    name: ConsumerName,
) -> Operation[None]:
    """Remove a consumer"""
    return Operation("DELETE", "/v1/consumers/{name}", "none", path={"name": name})


def list_consumers() -> Operation[ConsumerList]:
    """List consumers"""
    return Operation("GET", "/v1/consumers", "json")


def pull_messages(
    name: ConsumerName,
    body: PullInput | None = None,
) -> Operation[PulledMessages]:
    """Take messages of a consumer"""
    return Operation("POST", "/v1/consumers/{name}/pull", "json", path={"name": name}, body=body)


def acknowledge_messages(
    name: ConsumerName,
    body: AckInput,
) -> Operation[SettledMessages]:
    """Acknowledge messages of a consumer"""
    return Operation("POST", "/v1/consumers/{name}/acks", "json", path={"name": name}, body=body)


def list_parked_messages(
    name: ConsumerName,
    *,
    after: Position | None = None,
    limit: int | None = None,
    encoding: Encoding | None = None,
) -> Operation[ParkedPage]:
    """List parked messages of a consumer"""
    return Operation("GET", "/v1/consumers/{name}/parked", "json", path={"name": name}, query={"after": after, "limit": limit, "encoding": encoding})


def replay_parked_messages(
    name: ConsumerName,
    body: ReplayInput | None = None,
) -> Operation[ReplayedMessages]:
    """Deliver parked messages again"""
    return Operation("POST", "/v1/consumers/{name}/parked/replay", "json", path={"name": name}, body=body)


def send_to_peer(
    peer_id: PeerId,
    body: DirectPayload | bytes,
    *,
    idempotency_key: IdempotencyKey | None = None,
) -> Operation[Delivery]:
    """Send a direct message to a peer"""
    return Operation("POST", "/v1/peers/{peerId}/messages", "json", path={"peerId": peer_id}, headers={"idempotency-key": idempotency_key}, body=body)


def list_deliveries(
    *,
    state: DeliveryStateFilter | None = None,
    to: PeerId | None = None,
    updated_since: str | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> Operation[DeliveryPage]:
    """List deliveries of direct messages"""
    return Operation("GET", "/v1/deliveries", "json", query={"state": state, "to": to, "updatedSince": updated_since, "after": after, "limit": limit})


def get_delivery(
    id: str,
) -> Operation[Delivery]:
    """Get the delivery of a direct message"""
    return Operation("GET", "/v1/deliveries/{id}", "json", path={"id": id})


def cancel_delivery(
    id: str,
) -> Operation[Delivery]:
    """Cancel a direct message"""
    return Operation("DELETE", "/v1/deliveries/{id}", "json", path={"id": id})


def list_services(
    *,
    after: Service | None = None,
    limit: int | None = None,
) -> Operation[ServicePage]:
    """List the services that clients of this gateway provide"""
    return Operation("GET", "/v1/services", "json", query={"after": after, "limit": limit})


def create_webhook(
    body: WebhookInput,
) -> Operation[WebhookWithSecret]:
    """Create a webhook"""
    return Operation("POST", "/v1/webhooks", "json", body=body)


def list_webhooks(
    *,
    after: str | None = None,
    limit: int | None = None,
) -> Operation[WebhookPage]:
    """List webhooks"""
    return Operation("GET", "/v1/webhooks", "json", query={"after": after, "limit": limit})


def get_webhook(
    id: str,
) -> Operation[Webhook]:
    """Get a webhook"""
    return Operation("GET", "/v1/webhooks/{id}", "json", path={"id": id})


def change_webhook(
    id: str,
    body: WebhookChanges,
) -> Operation[Webhook]:
    """Change, pause, resume or replay a webhook"""
    return Operation("PATCH", "/v1/webhooks/{id}", "json", path={"id": id}, body=body)


def delete_webhook(
    id: str,
) -> Operation[None]:
    """Delete a webhook"""
    return Operation("DELETE", "/v1/webhooks/{id}", "none", path={"id": id})


def rotate_webhook_secret(
    id: str,
    body: EmptyBody | None = None,
) -> Operation[WebhookWithSecret]:
    """Replace the secret of a webhook"""
    return Operation("POST", "/v1/webhooks/{id}/secret", "json", path={"id": id}, body=body)


def test_webhook(
    id: str,
    body: EmptyBody | None = None,
) -> Operation[WebhookTest]:
    """Send a test to a webhook"""
    return Operation("POST", "/v1/webhooks/{id}/test", "json", path={"id": id}, body=body)


def list_webhook_attempts(
    id: str,
) -> Operation[WebhookAttempts]:
    """List the last attempts of a webhook"""
    return Operation("GET", "/v1/webhooks/{id}/attempts", "json", path={"id": id})


def request_service(
    peer_id: PeerId,
    service: Service,
    body: ServiceRequest | bytes,
) -> Operation[ServiceAnswer]:
    """Send a request to a service of a peer"""
    return Operation("POST", "/v1/peers/{peerId}/requests/{service}", "json", path={"peerId": peer_id, "service": service}, body=body)


def create_token(
    body: TokenInput,
    *,
    idempotency_key: IdempotencyKey | None = None,
) -> Operation[TokenWithSecret]:
    """Create an access token"""
    return Operation("POST", "/v1/tokens", "json", headers={"idempotency-key": idempotency_key}, body=body)


def list_tokens(
    *,
    after: str | None = None,
    limit: int | None = None,
) -> Operation[TokenPage]:
    """List access tokens"""
    return Operation("GET", "/v1/tokens", "json", query={"after": after, "limit": limit})


def get_token(
    id: str,
) -> Operation[Token]:
    """Get an access token"""
    return Operation("GET", "/v1/tokens/{id}", "json", path={"id": id})


def rename_token(
    id: str,
    body: TokenChanges,
) -> Operation[Token]:
    """Rename an access token"""
    return Operation("PATCH", "/v1/tokens/{id}", "json", path={"id": id}, body=body)


def revoke_token(
    id: str,
) -> Operation[None]:
    """Revoke an access token"""
    return Operation("DELETE", "/v1/tokens/{id}", "none", path={"id": id})


def get_session() -> Operation[ClientInfo]:
    """Get the rights and budgets of this client"""
    return Operation("GET", "/v1/session", "json")


def open_session() -> Operation[None]:
    """Open a session"""
    return Operation("POST", "/v1/session", "none")


def close_session() -> Operation[None]:
    """End the session"""
    return Operation("DELETE", "/v1/session", "none")


def list_audit(
    *,
    after: str | None = None,
    limit: int | None = None,
) -> Operation[AuditPage]:
    """List the audit log"""
    return Operation("GET", "/v1/audit", "json", query={"after": after, "limit": limit})


def probe_started() -> Operation[Probe]:
    """Check whether the gateway has started"""
    return Operation("GET", "/startedz", "json")


def probe_ready() -> Operation[Readiness]:
    """Check whether the gateway is ready for clients"""
    return Operation("GET", "/readyz", "json")


def probe_healthy() -> Operation[Probe]:
    """Check whether the process is alive"""
    return Operation("GET", "/healthz", "json")


def get_metrics() -> Operation[str]:
    """Get metrics in Prometheus format"""
    return Operation("GET", "/metrics", "text")


def set_log_level(
    body: LogLevelInput,
) -> Operation[LogLevel]:
    """Change the log level"""
    return Operation("PUT", "/v1/log-level", "json", body=body)


def get_open_api_json() -> Operation[OpenApiDocument]:
    """Get the OpenAPI document as JSON"""
    return Operation("GET", "/openapi.json", "json")


def get_open_api_yaml() -> Operation[str]:
    """Get the OpenAPI document as YAML"""
    return Operation("GET", "/openapi.yaml", "text")


def get_async_api_json() -> Operation[AsyncApiDocument]:
    """Get the AsyncAPI document of the stream as JSON"""
    return Operation("GET", "/asyncapi.json", "json")


def get_async_api_yaml() -> Operation[str]:
    """Get the AsyncAPI document of the stream as YAML"""
    return Operation("GET", "/asyncapi.yaml", "text")


def get_explorer() -> Operation[str]:
    """Open the API explorer"""
    return Operation("GET", "/docs", "text")


def get_explorer_file(
    file: Literal["explorer.js", "swagger-ui.css", "swagger-ui-bundle.js"],
) -> Operation[bytes]:
    """Get a file of the API explorer"""
    return Operation("GET", "/docs/{file}", "bytes", path={"file": file})


def get_console() -> Operation[str]:
    """Open the console"""
    return Operation("GET", "/", "text")


def get_console_file(
    file: Literal["console.js", "console.css"],
) -> Operation[bytes]:
    """Get a file of the console"""
    return Operation("GET", "/console/{file}", "bytes", path={"file": file})
