import { z } from 'zod'

/** The longest time of a timer of Node.js. */
const maxTimerMs = 2_147_483_647

/**
 * Every buffer, queue, cache and wait with a size of its own: unit, default and reason, in one place. The unit is in the name. Each can
 * be set by `PEERGATE_` and its name in capitals; `GET /v1/node` answers those in force.
 */
export const limitsSchema = z.object({
  // Messages
  maxMessageBytes: limit(
    1_048_576,
    'The largest data of a message. With libp2p, a client publishes 512 less than `maxRpcBytes` at most, and is told that.',
    1,
    16_777_216,
  ),
  maxRpcBytes: limit(
    1_048_576,
    'With libp2p: the largest RPC of gossip in which a message of a client goes to peers, with all that stands around its data. Kubo, go-libp2p and py-libp2p drop larger ones, rust-libp2p those over 65,536 bytes.',
    1_024,
    33_554_432,
  ),
  maxPublishMessages: limit(500, 'Messages of one publish; they are appended in one transaction.', 1, 10_000),
  maxBodyBytes: limit(1_500_000, 'The largest request body: a message of the largest size in base64, and its JSON.', 1024),
  maxRequestBytes: limit(
    67_108_864,
    'Bytes of bodies and frames of clients that are being read or wait for their answer; beyond it they get 503. Clients share them.',
    1024,
  ),
  maxAnswerBytes: limit(67_108_864, 'Bytes of answers that clients have not taken yet; clients share them.', 1024),
  maxInboxMessages: limit(10_000, 'Messages waiting for the append; beyond it publishing answers 503 and the network has to wait.'),
  maxInboxBytes: limit(67_108_864, 'The same by bytes of data.'),
  maxTopicInboxBytes: limit(
    16_777_216,
    'Bytes of network messages of one topic waiting for the append, so that one topic cannot fill the inbox.',
  ),
  maxBatchMessages: limit(500, 'Messages of one append: about 3 ms of a blocked event loop on a laptop.', 1, 10_000),
  sentWindowMs: limit(5_000, 'Handed over messages are sent again after a crash for so long, since they may have been in a buffer.'),
  unsentWindowMs: limit(600_000, 'A message that had no subscriber to go to waits for one for so long.'),
  maxAuthorBytesPerHour: limit(
    1_073_741_824,
    'Bytes of data of one remote author in one topic within an hour; what is more is neither stored nor forwarded.',
  ),
  maxIdempotencyKeysPerToken: limit(
    1_000_000,
    'Idempotency keys of one client (a token, or without one an address) that are remembered, for a day, of publishing, and as many of direct messages: twelve a second, about 300 bytes each.',
  ),
  maxOpenIdempotencyKeys: limit(
    10_000,
    'Idempotency keys under which something is being published; clients share them. Those of direct messages are held by the database alone.',
  ),
  // Retention
  retentionMaxAgeMs: limit(604_800_000, 'Messages of a topic are kept for so long, 0 without end; a week.', 0),
  retentionMaxMessages: limit(0, 'So many messages of a topic are kept, 0 without limit.', 0),
  retentionMaxBytes: limit(1_073_741_824, 'So many bytes of data of a topic are kept, 0 without limit.', 0),
  retentionSweepMs: limit(10_000, 'Between two looks at what is to be pruned.', 10),
  maxPruneMessages: limit(100, 'Messages that one step of pruning removes while nothing else runs: about a millisecond.', 1, 10_000),
  seenWindowMs: limit(
    604_800_000,
    'Ids of pruned and of rejected messages are known for so long, so that none comes back as new; history that is older is refused.',
  ),
  topicKeptMs: limit(
    2_592_000_000,
    'What was pruned of a topic that has no messages any more is remembered for so long after it had the last, unless it is joined or has limits of its own; thirty days. A client that then comes back with an older cursor is told that it may have missed something.',
  ),
  maxEmptyTopics: limit(10_000, 'Such topics, of about 200 bytes each; of more the longest empty are forgotten first.', 0),
  clockStepMs: limit(
    60_000,
    'A clock that differs from the monotonic clock by more has stepped: nothing becomes too old until it has settled.',
    100,
  ),
  clockSettleMs: limit(60_000, 'A clock that has stepped is trusted again once it has been stable for this time.', 100),
  maxDowntimeMs: limit(
    86_400_000,
    'So much of the time between a stop and the next start counts at most for what becomes old; a day. What a clock claims beyond it may be wrong.',
    0,
  ),
  auditMaxAgeMs: limit(31_536_000_000, 'Entries of the audit log are kept for so long, 0 without end; a year.', 0),
  // Stream
  tokenRate: limit(
    10_000,
    'Units that a token may spend a second: a cheap call is one, an expensive one (a dial, a look-up in the DHT) up to 100.',
  ),
  tokenBurst: limit(20_000, 'Units that a token may spend at once.'),
  addressRate: limit(20_000, 'The same by the address of the client; several may stand behind one.'),
  addressBurst: limit(40_000, 'The same by the address of the client.'),
  clientSharePercent: limit(
    25,
    'What one client (a token, or without one an address) may have of what clients share, in percent, while others have any; alone it may have all but as much.',
    1,
    100,
  ),
  sessionMs: limit(43_200_000, 'How long the session of a browser lasts, unless its token ends before; half a day.', 1_000),
  maxSessions: limit(
    10_000,
    'Sessions of browsers, at all gateways of the database; about 300 bytes each. Beyond it opening one answers 503.',
  ),
  maxSessionsPerToken: limit(100, 'Sessions of one token; another one ends the oldest.'),
  maxStreamConnectionsPerToken: limit(0, 'Stream connections of one client, alone or not; 0 for its share.', 0),
  maxStreamConnectionsPerAddress: limit(
    0,
    'Stream connections of one address, of IPv6 a /64, alone or not; 0 for a share, and for all of them on this host.',
    0,
  ),
  maxHttpConnections: limit(
    10_000,
    'Connections of HTTP, streams among them; when they are all there, idle ones go. Fewer where the system allows few open files.',
  ),
  maxHttpConnectionsPerAddress: limit(2_500, 'Those of one address, of IPv6 of a /64; not of trusted proxies and of this host.'),
  maxStreamConnections: limit(5_000, 'Stream connections, WebSocket or events, shared by clients; an idle one costs some tens of KiB.'),
  maxSubscriptions: limit(100, 'Subscriptions of one connection.'),
  maxSubscribedTopics: limit(
    100_000,
    'Topics and patterns of all subscriptions together, shared by clients: an entry costs about 300 bytes.',
  ),
  maxSubscriptionTopics: limit(100, 'Topics and patterns of one subscription.', 1, 1_000),
  maxFrameBytes: limit(1_500_000, 'The largest frame of a client: a message of the largest size in base64, and its JSON.', 1024),
  maxPendingFrames: limit(1_000, 'Frames of one connection that are being worked on; beyond it the socket is not read.'),
  maxPendingFrameBytes: limit(4_194_304, 'Bytes of these frames; the same beyond it.', 1024),
  maxSocketBufferBytes: limit(
    262_144,
    'Bytes handed to a socket and not yet taken by the network; a subscriber is not read for beyond it.',
    1024,
  ),
  slowClientMs: limit(60_000, 'A client whose socket takes nothing for so long is closed with 4000.'),
  maxEventLoopDelayMs: limit(1_000, 'A later event loop refuses new work: publishing and new streams get 503, so that heartbeats go out.'),
  heartbeatMs: limit(25_000, 'Between heartbeats: below the usual idle time-outs of proxies (30 s and more).'),
  maxRingBytes: limit(67_108_864, 'Recent messages kept in memory for subscribers; older ones are read from the database.'),
  maxRingMessages: limit(50_000, 'The same by count.'),
  maxReadMessages: limit(500, 'Messages of one read for a subscriber or a page.', 1, 10_000),
  maxLongPolls: limit(1_000, 'Requests for history that wait for messages, shared by clients.'),
  maxReadBytes: limit(4_194_304, 'Bytes of data of one read.', 1024),
  // Network
  maxConnections: limit(300, 'Links to other peers.'),
  maxInboundConnectionsPerAddress: limit(
    20,
    'Links from one address per second, so that a flood from one host does not starve the others.',
  ),
  maxStreamsPerConnection: limit(256, 'Streams that a peer may open on a link.'),
  maxStreamBufferBytes: limit(1_048_576, 'Bytes a stream may hold unread or unsent.', 262_144),
  maxPubsubBufferBytes: limit(
    4_194_304,
    'Bytes of gossip waiting for one slow peer; beyond it the newest follow from the log, and a peer is cut that makes us write more and does not read.',
    65_536,
  ),
  pacedMessageMs: limit(
    4,
    'Between two messages to a peer that is no Peergate, nor rust-libp2p or js-libp2p: go-libp2p loses what comes faster.',
  ),
  kuboMessageMs: limit(
    10,
    'The same to a Kubo, which writes a number to its disk for each message, and ignores all but the newest of those that wait meanwhile: twice as long as its disk takes for a write.',
  ),
  maxPacedMessages: limit(256, 'Messages that wait to be sent to such a peer; what is beyond follows from the log.'),
  maxJoinedTopics: limit(100, 'Joined topics, shared by clients: rust-libp2p peers accept no more subscriptions of one peer.'),
  subscribedTopicMs: limit(
    604_800_000,
    'A topic that was joined by subscribing or publishing stays joined for so long after its last use, so that a client that comes back has missed nothing; 0 without end; a week, as messages are kept.',
    0,
  ),
  topicReclaimMs: limit(
    86_400_000,
    'After so long without use such a topic is given up when its client has its share and needs room for another; a day.',
    0,
  ),
  maxPeerSubscriptionBytes: limit(1_048_576, 'Memory for the subscriptions of one peer, about 1 KiB each.', 1024),
  dialTimeoutMs: limit(10_000, 'A dial, all addresses together.'),
  silentLinkMs: limit(30_000, 'A link whose other end is not heard for so long is closed; it is pinged three times meanwhile.', 30),
  doubtedLinkMs: limit(
    8_000,
    'A link on which nothing arrives for this time is doubted: its peer is dialled again, and gets a new link if it answers that dial.',
    30,
  ),
  maxRelayReservations: limit(50, 'Peers that are reached through this gateway, when it is a relay.'),
  maxRelayStreams: limit(100, 'Relayed connections at once, when it is a relay.'),
  relayBytesPerSecond: limit(
    16_777_216,
    'Bytes of all relayed connections together in a second, when it is a relay; what comes faster waits. Addresses that open connections share them.',
    65_536,
  ),
  relayIdleMs: limit(120_000, 'A relayed connection that carries nothing for so long is closed; pings keep it open.', 10, maxTimerMs),
  maxRelayBytes: limit(
    0,
    'Bytes of one relayed connection in each direction, when it is a relay, after which it is closed; its ends are told. 0 without limit: peers on go-libp2p have no gossip over connections with limits.',
    0,
  ),
  relayMs: limit(0, 'The same by time.', 0, maxTimerMs),
  maxDhtRecords: limit(
    100_000,
    'Values and provider records of the DHT that are kept for others; one peer, address or author has a quarter while others have any.',
  ),
  maxDhtBytes: limit(268_435_456, 'The same by bytes.'),
  maxDhtRecordsPerPeer: limit(5_000, 'Of one peer, so that it does not take the room of all.'),
  maxDhtBytesPerPeer: limit(16_777_216, 'The same by bytes.'),
  maxDhtMessageBytes: limit(
    131_072,
    'An answer of the DHT, or a request: a value of the largest size (64 KiB), and twenty peers with their addresses.',
    66_560,
  ),
  maxLookups: limit(100, 'Requests of clients to look or store something in the DHT at once, shared by clients.'),
  maxRequestedDials: limit(100, 'Requests of clients to dial or ping a peer at once, shared by clients.'),
  maxDhtStreams: limit(32, 'Requests of the DHT at once on a link, in each direction.'),
  dhtTimeoutMs: limit(30_000, 'A lookup in the DHT; an answer after it is what was found by then.', 10),
  requestTimeoutMs: limit(
    30_000,
    'A request to or of a peer, from the first byte to the last of the answer; the body of a request has a third of it.',
  ),
  maxPeerBodyBytes: limit(
    67_108_864,
    'Bytes of requests of peers and of answers to and from them that are on their way, of one peer a quarter; when it is full, the peer with the most gives up its oldest.',
    1_048_576,
  ),
  // Direct messages
  maxDirectBytesPerHour: limit(
    67_108_864,
    'Bytes of direct messages that are taken of one author within an hour; of one peer, whoever wrote them, four times as many.',
  ),
  maxDirectRequests: limit(32, 'Requests of peers with direct messages at once.'),
  maxQueuedDeliveries: limit(100_000, 'Direct messages of clients waiting for their recipients; beyond it sending answers 503.'),
  maxQueuedDeliveryBytes: limit(1_073_741_824, 'The same by bytes.'),
  deliveryMs: limit(604_800_000, 'How long a direct message is tried to be delivered when its sender does not say.'),
  maxDeliveryMs: limit(2_592_000_000, 'The longest that a sender may say.'),
  deliveryKeptMs: limit(604_800_000, 'How long it can be asked what became of a direct message.'),
  deliveryTimeoutMs: limit(20_000, 'One attempt to hand direct messages to a connected peer.', 10),
  firstDeliveryRetryMs: limit(1_000, 'Until the second attempt; each pause is twice the one before, less up to a half by chance.'),
  lastDeliveryRetryMs: limit(300_000, 'The longest pause; when the recipient appears it ends at once.'),
  maxCarried: limit(32, 'Recipients of direct messages that are tried at once, shared by clients.'),
  // History between gateways
  historyIntervalMs: limit(60_000, 'Between two looks at what a peer has that is missing here; a peer that appears is asked at once.', 10),
  historyBytesPerSecond: limit(8_388_608, 'Bytes of history that are fetched from peers in a second, and that they are given.', 65_536),
  historyPeerBytesPerSecond: limit(2_097_152, 'The same of one peer.', 65_536),
  historyRoundMs: limit(30_000, 'A peer’s log is read for so long before others have their turn.'),
  historyBeforeJoinMs: limit(0, 'How far back before it was joined a topic’s history is fetched.', 0),
  maxHistoryRounds: limit(4, 'Peers whose logs are read at once.'),
  maxHistoryRequests: limit(64, 'Requests of peers for history at once; how much they cost together is bounded by the rates above.'),
  // Validators
  maxValidators: limit(1_000, 'Topics that clients of this gateway judge, each connection counted by itself, shared by clients.'),
  // Requests and services
  requestMs: limit(
    10_000,
    'How long a request to a service waits for its answer when its client does not say; `requestTimeoutMs` at most.',
  ),
  maxServicesPerConnection: limit(100, 'Services that a stream connection serves.'),
  maxServices: limit(10_000, 'Services that stream connections serve, each connection counted by itself, shared by clients.'),
  maxRequests: limit(5_000, 'Requests of clients to services at once, shared by clients.'),
  maxServiceQueue: limit(
    1_000,
    'Requests waiting for one service while all that serve it are busy, and for their turn at one peer, shared by clients and peers that ask.',
  ),
  maxPeerRequests: limit(1_000, 'Requests of peers to services at once.'),
  maxPeerRequestBytes: limit(67_108_864, 'Bytes of their bodies together.', 1_048_576),
  maxRequestsToPeer: limit(
    200,
    'Requests of clients to services of one peer at once, below `maxStreamsPerConnection` there; more wait for their turn.',
  ),
  maxStreamRequests: limit(100, 'Requests of a stream connection to services at once.'),
  pingTimeoutMs: limit(5_000, 'A ping.'),
  peerKeptMs: limit(
    2_592_000_000,
    'A peer that was not linked for so long is forgotten, unless it is labelled, blocked or configured; thirty days.',
  ),
  maxKnownPeers: limit(
    10_000,
    'Such peers, of about 500 bytes each; of more the longest unseen are forgotten first, but none that is linked.',
    0,
  ),
  maxRemembered: limit(50, 'Known peers that are dialled again at start, the last seen first.', 0),
  validateTimeoutMs: limit(
    5_000,
    'The answer to a message of the network, from its verification to its place on the disk; later ones are ignored. Validators have up to 2 s of it.',
  ),
})

export type Limits = z.infer<typeof limitsSchema>

export const defaultLimits: Limits = limitsSchema.parse({})

/** Name of the variable that sets a limit: `maxMessageBytes` is `PEERGATE_MAX_MESSAGE_BYTES`. */
export function limitVariable(name: string): string {
  return `PEERGATE_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

function limit(byDefault: number, description: string, min = 1, max = Number.MAX_SAFE_INTEGER) {
  return z.int().min(min).max(max).default(byDefault).describe(description)
}
