import { z } from 'zod'

/** Longest delay of a Node.js timer, in milliseconds. */
const maxTimerMs = 2_147_483_647

/**
 * Every configurable limit (buffer, queue, cache, wait, rate) with its unit, default and reason. The unit ends the
 * name; without one it is a count. `PEERGATE_` and the name in upper snake case set a limit; `GET /v1/node` returns the
 * limits in force.
 */
export const limitsSchema = z.object({
  // Messages
  maxMessageBytes: limit(
    1_048_576,
    'Maximum bytes of data in a message. With libp2p, a client can publish at most `maxRpcBytes` minus 512, and `GET /v1/node` shows that value.',
    1,
    16_777_216,
  ),
  maxRpcBytes: limit(
    1_048_576,
    'Maximum bytes of a gossip RPC that carries a message of a client, overhead included (libp2p only). Kubo, go-libp2p and py-libp2p drop larger RPCs; rust-libp2p drops those over 65,536 bytes.',
    1_024,
    33_554_432,
  ),
  maxPublishMessages: limit(500, 'Maximum messages in one publish request, which are appended in one transaction.', 1, 10_000),
  maxBodyBytes: limit(1_500_000, 'Maximum bytes of a request body: a message of the largest size in base64, and its JSON.', 1024),
  maxRequestBytes: limit(67_108_864, 'Maximum bytes of unanswered client requests and frames, shared by clients. More get 503.', 1024),
  maxAnswerBytes: limit(67_108_864, 'Maximum bytes of responses that clients have not read yet, shared by clients.', 1024),
  maxInboxMessages: limit(10_000, 'Maximum messages waiting for the append. Beyond it publishing gets 503, and the network waits.'),
  maxInboxBytes: limit(67_108_864, 'Maximum bytes of data of the messages waiting for the append (`maxInboxMessages`, in bytes).'),
  maxTopicInboxBytes: limit(16_777_216, 'Maximum bytes of network messages per topic in the inbox, so that no topic fills it.'),
  maxBatchMessages: limit(500, 'Maximum messages in one append: about 3 ms of a blocked event loop on a laptop.', 1, 10_000),
  orderWaitMs: limit(
    3_000,
    'Maximum wait of a network message for earlier ones of its author in milliseconds, below `validateTimeoutMs`; for those that a peer has listed and is being asked for, `requestTimeoutMs`.',
  ),
  maxOrderBytes: limit(8_388_608, 'Maximum bytes of messages that wait in `orderWaitMs`, each counted with 512, shared by authors.'),
  sentWindowMs: limit(5_000, 'Time before a crash, in milliseconds, whose messages are handed over again: a buffer may have lost them.'),
  unsentWindowMs: limit(600_000, 'Time that a message without a subscriber waits for one, in milliseconds.'),
  maxAuthorBytesPerHour: limit(1_073_741_824, 'Maximum bytes per hour of one remote author in one topic. More is not stored or forwarded.'),
  maxIdempotencyKeysPerToken: limit(
    1_000_000,
    'Maximum idempotency keys of one client (a token, or the address without one) kept for a day, separately for publishing, for direct messages and for tokens: twelve per second, about 300 bytes each.',
  ),
  maxOpenIdempotencyKeys: limit(
    10_000,
    'Maximum idempotency keys with a publish request in progress, shared by clients. Keys of direct messages and tokens are held by the database alone.',
  ),
  // Retention
  retentionMaxAgeMs: limit(604_800_000, 'Maximum age of stored messages, per topic, in milliseconds; 0 for no limit. Default: a week.', 0),
  retentionMaxMessages: limit(0, 'Maximum stored messages per topic; 0 for no limit.', 0),
  retentionMaxBytes: limit(1_073_741_824, 'Maximum bytes of data of stored messages per topic; 0 for no limit.', 0),
  retentionSweepMs: limit(10_000, 'Interval between two pruning runs, in milliseconds.', 10),
  maxPruneMessages: limit(100, 'Maximum messages that one pruning step removes while nothing else runs: about 1 ms.', 1, 10_000),
  seenWindowMs: limit(
    604_800_000,
    'Time that ids of pruned and rejected messages are kept, in milliseconds, so that none of them is accepted as new. Older history is refused.',
  ),
  topicKeptMs: limit(
    2_592_000_000,
    'Time that the pruning record of an empty topic is kept after its last message, in milliseconds, unless the topic is joined or has its own retention. A client that resumes from an older cursor is told that it may have missed messages. Default: thirty days.',
  ),
  maxEmptyTopics: limit(
    10_000,
    'Maximum empty topics whose pruning record is kept (`topicKeptMs`), about 200 bytes each. Beyond it the topic that has been empty longest is forgotten first.',
    0,
  ),
  clockStepMs: limit(
    60_000,
    'Difference between wall clock and monotonic clock, in milliseconds, that counts as a clock step. After a step nothing expires until the clock has settled.',
    100,
  ),
  clockSettleMs: limit(60_000, 'Time that a clock must run steadily after a step before it is trusted again, in milliseconds.', 100),
  maxDowntimeMs: limit(
    86_400_000,
    'Maximum time between a stop and the next start, in milliseconds, that counts towards ages; what the clock claims beyond it may be wrong. Default: a day.',
    0,
  ),
  auditMaxAgeMs: limit(31_536_000_000, 'Maximum age of audit log entries, in milliseconds; 0 for no limit. Default: a year.', 0),
  // Stream
  tokenRate: limit(10_000, 'Cost units per second of one token. A cheap call costs 1, an expensive one (a dial, a DHT lookup) up to 100.'),
  tokenBurst: limit(20_000, 'Maximum cost units that one token can spend at once.'),
  addressRate: limit(20_000, 'Cost units per second of one client address. Several clients may share an address.'),
  addressBurst: limit(40_000, 'Maximum cost units that one client address can spend at once.'),
  clientSharePercent: limit(
    25,
    'Share of a shared limit, in percent, that one client (a token, or the address without one) can hold while others hold any. A client that is alone can hold all but one share.',
    1,
    100,
  ),
  maxTokens: limit(10_000, 'Maximum access tokens of the database. Beyond it, expired ones make room, else creating one gets 409.', 1),
  sessionMs: limit(43_200_000, 'Lifetime of a browser session, in milliseconds, unless its token ends before. Default: half a day.', 1_000),
  maxSessions: limit(10_000, 'Maximum browser sessions per database, about 300 bytes each. Opening another gets 503.'),
  maxSessionsPerToken: limit(100, 'Maximum browser sessions per token. Another one ends the oldest.'),
  maxStreamConnectionsPerToken: limit(
    0,
    'Maximum stream connections of one client (a token, or the address without one), even when it is alone; 0 for its share of `maxStreamConnections`.',
    0,
  ),
  maxStreamConnectionsPerAddress: limit(
    0,
    'Maximum stream connections of one address (IPv6: a /64), even when it is alone; 0 for its share of `maxStreamConnections`, or all of them for this host.',
    0,
  ),
  maxHttpConnections: limit(
    10_000,
    'Maximum HTTP connections, streams included. When all are taken, idle ones are closed. Lower if the system allows few open files.',
  ),
  maxHttpConnectionsPerAddress: limit(2_500, 'Maximum HTTP connections per address (IPv6: /64), except trusted proxies and this host.'),
  maxStreamConnections: limit(5_000, 'Maximum WebSocket and event streams, shared by clients. An idle one costs some tens of KiB.'),
  maxSubscriptions: limit(100, 'Maximum subscriptions per stream connection.'),
  maxSubscribedTopics: limit(100_000, 'Maximum topics and patterns in all subscriptions, shared by clients; about 700 bytes each.'),
  maxToldTopics: limit(100, 'Maximum joined topics that the answer to a subscription by pattern names.'),
  maxSubscriptionTopics: limit(100, 'Maximum topics and patterns per subscription.', 1, 1_000),
  maxFrameBytes: limit(1_500_000, 'Maximum bytes of a client frame: a message of the largest size in base64, and its JSON.', 1024),
  maxPendingFrames: limit(1_000, 'Maximum frames in progress per stream connection. Beyond it the socket is not read.'),
  maxPendingFrameBytes: limit(4_194_304, 'Maximum bytes of frames in progress per stream. Beyond it the socket is not read.', 1024),
  maxSocketBufferBytes: limit(262_144, 'Maximum unsent bytes in a client socket. Beyond it nothing is read for its subscriptions.', 1024),
  slowClientMs: limit(60_000, 'Time that a client socket can go without taking any bytes, in milliseconds, before it is closed with 4000.'),
  maxEventLoopDelayMs: limit(1_000, 'Event loop delay in milliseconds above which publishing and new streams get 503, for the heartbeats.'),
  heartbeatMs: limit(25_000, 'Interval between heartbeats, in milliseconds: below the usual idle timeouts of proxies (30 s and more).'),
  maxRingBytes: limit(67_108_864, 'Maximum bytes of recent messages in memory for subscribers. Older ones are read from the database.'),
  maxRingMessages: limit(50_000, 'Maximum recent messages in memory for subscribers (`maxRingBytes`, as a count).'),
  maxReadMessages: limit(500, 'Maximum messages in one read for a subscriber or a page.', 1, 10_000),
  maxConsumers: limit(1_000, 'Maximum consumers of the database, shared by clients.', 1, 100_000),
  maxPulls: limit(1_000, 'Maximum requests waiting for messages of consumers, shared by clients.'),
  maxLongPolls: limit(1_000, 'Maximum history requests waiting for messages, shared by clients.'),
  maxReadBytes: limit(4_194_304, 'Maximum bytes of data in one read for a subscriber or a page.', 1024),
  // Network
  maxConnections: limit(300, 'Maximum links to other peers.'),
  maxInboundConnectionsPerAddress: limit(20, 'Maximum inbound links per second from one address, so that none starves the others.'),
  maxHandshakesPerSecond: limit(200, 'Maximum handshakes that inbound peers begin per second, shared by their addresses.'),
  maxStreamsPerConnection: limit(256, 'Maximum streams that a peer can have open on one link.'),
  maxStreamBufferBytes: limit(1_048_576, 'Maximum bytes that one stream of a link holds unread or unsent.', 262_144),
  maxPubsubBufferBytes: limit(
    4_194_304,
    'Maximum bytes of gossip waiting for one slow peer. Beyond it new messages follow from the log. A peer that causes more writes and does not read is disconnected.',
    65_536,
  ),
  pacedMessageMs: limit(
    4,
    'Pause between two messages, in milliseconds, to a peer that runs neither Peergate nor rust-libp2p nor js-libp2p: go-libp2p loses faster messages.',
  ),
  kuboMessageMs: limit(
    10,
    'Pause between two messages to a Kubo peer, in milliseconds. Kubo writes a number to its disk for each message, and ignores all but the newest of the messages that wait meanwhile; the pause is twice the time of such a write.',
  ),
  maxPacedMessages: limit(
    256,
    'Maximum messages waiting to be sent to a peer that is sent messages at a pace (`pacedMessageMs`). Beyond it messages follow from the log.',
  ),
  maxJoinedTopics: limit(100, 'Maximum joined topics, shared by clients; rust-libp2p accepts no more of a peer. Custom engine: 10,000.'),
  subscribedTopicMs: limit(
    604_800_000,
    'Time that a topic joined by subscribing or publishing stays joined after its last use, in milliseconds, so that a returning client has missed nothing; 0 for no limit. Default: a week, as messages are kept.',
    0,
  ),
  topicReclaimMs: limit(
    86_400_000,
    'Time without use, in milliseconds, after which a topic joined by subscribing or publishing can be left to make room for another, once its client has used up its share. Default: a day.',
    0,
  ),
  maxPeerTopics: limit(10_000, 'Maximum noted topics of a peer (custom engine). Messages of others reach it by catch-up.'),
  ownPeerTopics: limit(500, 'Topics of each peer that always find room (custom engine).'),
  maxSharedPeerTopics: limit(100_000, 'Maximum noted topics of all peers beyond `ownPeerTopics` of each (custom engine).', 0),
  maxPeerSubscriptionBytes: limit(1_048_576, 'Maximum bytes of memory for the topic subscriptions of one peer, about 1 KiB each.', 1024),
  dialTimeoutMs: limit(10_000, 'Timeout of a dial, all addresses of the peer together, in milliseconds.'),
  silentLinkMs: limit(30_000, 'Silence of a peer, in milliseconds, that closes its link. It is pinged three times meanwhile.', 30),
  returnMs: limit(30_000, 'Time, in milliseconds, in which a libp2p peer that keeps no log is fed what it missed when it returns.'),
  doubtedLinkMs: limit(
    8_000,
    'Time without any data from the peer, in milliseconds, after which a link is doubted: the peer is dialled again, and gets a new link if it answers.',
    30,
  ),
  maxWebrtcConnections: limit(50, 'Maximum WebRTC connections, in setup or open. Each has native buffers of its own.'),
  maxWebrtcUnreadBytes: limit(67_108_864, 'Maximum bytes of libp2p over WebRTC that wait unread, shared by addresses.', 262_144),
  maxRelayReservations: limit(50, 'Maximum reservations: peers that can be reached through this gateway as a relay.'),
  maxRelayStreams: limit(100, 'Maximum relayed connections at a time through this gateway as a relay.'),
  relayBytesPerSecond: limit(
    16_777_216,
    'Bytes per second of all relayed connections together through this gateway as a relay, shared by the addresses that open them. Faster data waits.',
    65_536,
  ),
  relayIdleMs: limit(120_000, 'Time without data or pings, in milliseconds, that closes a relayed connection.', 10, maxTimerMs),
  maxRelayBytes: limit(
    0,
    'Maximum bytes of one relayed connection in each direction, after which it is closed; both ends are told the limit. 0 for no limit: go-libp2p peers do not use limited connections for gossip.',
    0,
  ),
  relayMs: limit(0, 'Maximum duration of a relayed connection, in milliseconds, told to its ends; 0 for no limit.', 0, maxTimerMs),
  maxDhtRecords: limit(
    100_000,
    'Maximum DHT values and provider records kept for other peers. One peer, address or author can have a quarter of them while others have any.',
  ),
  maxDhtBytes: limit(268_435_456, 'Maximum bytes of the DHT values and provider records kept for other peers.'),
  maxDhtRecordsPerPeer: limit(12_000, 'Maximum DHT values and provider records kept for one peer. Each topic that it has joined is one.'),
  maxDhtBytesPerPeer: limit(16_777_216, 'Maximum bytes of the DHT values and provider records kept for one peer.'),
  maxDhtMessageBytes: limit(131_072, 'Maximum bytes of a DHT message: a value of 64 KiB, and twenty peers with addresses.', 66_560),
  maxLookups: limit(100, 'Maximum client requests in progress that read from or write to the DHT, shared by clients.'),
  maxRequestedDials: limit(100, 'Maximum client requests in progress that dial or ping a peer, shared by clients.'),
  maxDhtStreams: limit(32, 'Maximum DHT requests in progress per link, in each direction.'),
  dhtTimeoutMs: limit(30_000, 'Timeout of a DHT lookup, in milliseconds. The response then contains what was found so far.', 10),
  requestTimeoutMs: limit(
    30_000,
    'Timeout of a request to or from a peer, in milliseconds, from its first byte to the last byte of the response. The request body has a third of it.',
  ),
  maxPeerBodyBytes: limit(
    67_108_864,
    'Maximum bytes of peer requests, and of responses to and from peers, in transit; one peer can have a quarter. When it is full, the peer with the most loses its oldest.',
    1_048_576,
  ),
  // Direct messages
  maxDirectBytesPerHour: limit(
    67_108_864,
    'Maximum bytes of direct messages accepted per hour from one author. From one connected peer four times as many are accepted, whatever their authors.',
  ),
  maxDirectRequests: limit(32, 'Maximum requests in progress by which peers hand over direct messages.'),
  maxQueuedDeliveries: limit(100_000, 'Maximum queued direct messages from clients. Sending another gets 503.'),
  maxQueuedDeliveryBytes: limit(1_073_741_824, 'Maximum bytes of queued direct messages from clients (`maxQueuedDeliveries`, in bytes).'),
  deliveryMs: limit(604_800_000, 'Time that delivery of a direct message is attempted by default, in milliseconds.'),
  maxDeliveryMs: limit(2_592_000_000, 'Maximum delivery time that the sender of a direct message can request, in milliseconds.'),
  deliveryKeptMs: limit(604_800_000, 'Time that the outcome of a direct message can be read, in milliseconds.'),
  deliveryTimeoutMs: limit(20_000, 'Timeout of one attempt to hand direct messages to a connected peer, in milliseconds.', 10),
  firstDeliveryRetryMs: limit(
    1_000,
    'Pause before the second delivery attempt, in milliseconds. Each further pause is twice the one before, minus a random part of up to half.',
  ),
  lastDeliveryRetryMs: limit(300_000, 'Maximum pause between delivery attempts, in milliseconds; ends when the recipient appears.'),
  maxCarried: limit(32, 'Maximum recipients that direct messages are being delivered to at a time, shared by clients.'),
  // Webhooks
  maxWebhooks: limit(1_000, 'Maximum webhooks of the database, about 50 KiB each with their attempts.'),
  maxWebhooksPerToken: limit(100, 'Maximum webhooks of one client (a token, or the address without one).'),
  maxWebhookRequests: limit(64, 'Maximum requests of webhooks in progress, shared by clients.'),
  maxWebhookBytes: limit(262_144, 'Maximum bytes of data in a request of a webhook. A larger message is sent by itself.', 1_024),
  maxWebhookFailingMs: limit(259_200_000, 'Time for which a receiver can fail before its webhook is paused, in milliseconds: three days.'),
  lastWebhookRetryMs: limit(300_000, 'Maximum pause of a failing webhook in milliseconds; `Retry-After` can ask for more.', 1, maxTimerMs),
  // History between gateways
  historyIntervalMs: limit(
    60_000,
    'Interval between two checks for messages that a peer has and this gateway lacks, in milliseconds. A peer that appears is asked at once.',
    10,
  ),
  historyBytesPerSecond: limit(8_388_608, 'Bytes of history per second fetched from all peers, and as many served to all peers.', 65_536),
  historyPeerBytesPerSecond: limit(2_097_152, 'Bytes of history per second fetched from one peer, and as many served to one peer.', 65_536),
  historyRoundMs: limit(30_000, 'Maximum time for which one peer’s log is read before other peers are, in milliseconds.'),
  historyBeforeJoinMs: limit(0, 'Age of the oldest history that is fetched for a topic, relative to its join, in milliseconds.', 0),
  maxHistoryRounds: limit(4, 'Maximum peers whose logs are read at a time.'),
  maxHistoryRequests: limit(64, 'Maximum history requests from peers in progress. `historyBytesPerSecond` limits their total cost.'),
  // Validators
  maxValidators: limit(1_000, 'Maximum validators (a topic that a stream connection judges), shared by clients.'),
  // Requests and services
  requestMs: limit(10_000, 'Default time that a service request waits for its response, in milliseconds; at most `requestTimeoutMs`.'),
  maxServicesPerConnection: limit(100, 'Maximum services that one stream connection provides.'),
  maxServices: limit(10_000, 'Maximum services that stream connections provide, counted per connection, shared by clients.'),
  maxRequests: limit(5_000, 'Maximum service requests from clients in progress, shared by clients.'),
  maxServiceQueue: limit(
    1_000,
    'Maximum requests waiting for one service whose providers are all busy, and maximum requests waiting to be sent to one peer; shared by the clients and peers that ask.',
  ),
  maxPeerRequests: limit(1_000, 'Maximum service requests from peers in progress.'),
  maxPeerRequestBytes: limit(67_108_864, 'Maximum bytes of the bodies of service requests from peers in progress.', 1_048_576),
  maxRequestsToPeer: limit(200, 'Maximum client requests at one peer’s services, below its `maxStreamsPerConnection`; more wait.'),
  maxBridgedRequests: limit(500, 'Maximum requests in progress that this gateway carries as a bridge, and that bridges bring to it.'),
  maxBridgedRequestBytes: limit(67_108_864, 'Maximum bytes of the bodies of the requests in `maxBridgedRequests`.', 1_048_576),
  maxBridgedRequestsKnown: limit(20_000, 'Maximum requests from bridges of the last half minute, remembered so that none is repeated.'),
  maxStreamRequests: limit(100, 'Maximum service requests in progress per stream connection.'),
  pingTimeoutMs: limit(5_000, 'Timeout of a ping, in milliseconds.'),
  peerKeptMs: limit(2_592_000_000, 'Milliseconds without a link after which a peer without label, block or configuration is forgotten.'),
  maxKnownPeers: limit(
    10_000,
    'Maximum known peers that are not labelled, blocked or configured, about 500 bytes each. Beyond it the peer not seen for the longest time is forgotten first; linked peers are kept.',
    0,
  ),
  maxAnnotatedPeers: limit(10_000, 'Maximum peers that are labelled or blocked, whether they were ever seen or not, about 500 bytes each.'),
  maxRemembered: limit(50, 'Maximum known peers that are dialled again at start, the most recently seen first.', 0),
  validateTimeoutMs: limit(
    5_000,
    'Time for the verdict on a network message, in milliseconds, and for room in the inbox; a message that takes longer is ignored. What was let in is waited for until it is stored. Validators can use up to 2 s.',
  ),
})

export type Limits = z.infer<typeof limitsSchema>

/** Defaults that depend on the engine. */
export const engineLimits: { readonly [Kind in 'custom' | 'libp2p' | 'both']: Partial<Limits> } = {
  custom: { maxJoinedTopics: 10_000 },
  libp2p: {},
  both: {},
}

export const defaultLimits: Limits = limitsSchema.parse({})

/** Name of the variable that sets a limit: `maxMessageBytes` is `PEERGATE_MAX_MESSAGE_BYTES`. */
export function limitVariable(name: string): string {
  return `PEERGATE_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

function limit(byDefault: number, description: string, min = 1, max = Number.MAX_SAFE_INTEGER) {
  return z.int().min(min).max(max).default(byDefault).describe(description)
}
