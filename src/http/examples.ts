import { publishedLimits } from '../engine/published-limits.ts'
import { defaultLimits } from '../limits.ts'
import type { AuditView } from '../model/audit.ts'
import { type ConsumerView, consumerDefaults } from '../model/consumer.ts'
import type { DeliveryView } from '../model/delivery.ts'
import type { DhtValue, FoundPeerView } from '../model/dht-value.ts'
import type { Finding } from '../model/finding.ts'
import type { GatewayView } from '../model/gateway-view.ts'
import type { MessageView } from '../model/message.ts'
import type { NodeView } from '../model/node.ts'
import type { Peer } from '../model/peer.ts'
import type { ServiceView } from '../model/service.ts'
import type { TokenView } from '../model/token.ts'
import type { TopicStats } from '../model/topic-stats.ts'
import type { TopicUser } from '../model/topic-user.ts'
import type { ValidatorView } from '../model/validator.ts'
import type { WebhookAttemptView, WebhookTestView, WebhookView, WebhookWithSecret } from '../model/webhook.ts'

/** Examples in the contract. */

const epoch = 'k3v9q2'
const peerId = '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz'
const otherPeerId = '12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu'

export const messageExample: MessageView = {
  cursor: `${epoch}.1041`,
  id: `${peerId}.1795444444000000001`,
  kind: 'topic',
  topic: 'orders',
  from: peerId,
  sequence: '1795444444000000001',
  data: '{"order":17}',
  encoding: 'utf8',
  receivedAt: '2026-11-23T12:34:04.000Z',
  signature: 'Zm9yIGV4YW1wbGUgb25seSwgbm90IGEgc2lnbmF0dXJlIG9mIGFueXRoaW5nIGF0IGFsbC4gNjQgYnl0ZXMuLi4=',
}

export const consumerExample: ConsumerView = {
  ...{ name: 'billing', topics: ['orders.>'], direct: false, order: 'none', ...consumerDefaults },
  createdAt: '2026-11-23T12:34:04.000Z',
  createdBy: 'operator',
  position: `${epoch}.1041`,
  gaps: 0,
}

export const claimExample = `${messageExample.id}~a8Xk2c9B`

export const consumerStateExample = {
  ...consumerExample,
  ...{ unacked: 2, waiting: 0, parked: 1, pending: 17, isPendingExact: true, workers: 3 },
  traffic: { delivered: 1_052, settled: 1_038 },
}

export const deliveryExample: DeliveryView = {
  id: '0m1k3x9v2q7b4f0e2d1c',
  messageId: `${peerId}.1795444444000000002`,
  to: otherPeerId,
  state: 'queued',
  attempts: 0,
  lastError: null,
  expiresAt: '2026-11-30T12:34:04.000Z',
  createdAt: '2026-11-23T12:34:04.000Z',
  updatedAt: '2026-11-23T12:34:04.000Z',
}

export const publishedExample = { id: messageExample.id, cursor: messageExample.cursor, topic: 'orders', recipients: 3, gateway: peerId }

export const dhtValueExample: DhtValue = {
  key: '/peergate/imm/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  data: 'test',
  encoding: 'utf8',
  owner: null,
  sequence: null,
  issuedAt: null,
  record: null,
}

export const foundPeerExample: FoundPeerView = {
  peerId: otherPeerId,
  multiaddrs: [`/ip4/192.0.2.7/tcp/7071/ws/p2p/${otherPeerId}`],
}

export const topicExample: TopicStats = {
  topic: 'orders',
  joined: true,
  messages: 812,
  bytes: 20_300,
  earliest: `${epoch}.17`,
  latest: `${epoch}.1041`,
  retention: { maxAgeMs: 604_800_000, maxMessages: 0, maxBytes: 1_073_741_824 },
  traffic: { stored: 1_204, delivered: 3_612, sent: 2_408 },
  subscribers: 3,
  networks: [{ engine: 'libp2p', subscribers: 3, bridged: false }],
  gateway: peerId,
}

export const topicUserExample: TopicUser = {
  client: 'local',
  explicit: true,
  joinedAt: '2026-11-23T10:20:30.000Z',
  usedAt: '2026-11-23T12:34:04.000Z',
}

export const peerExample: Peer = {
  peerId: otherPeerId,
  multiaddrs: [`/ip4/192.0.2.7/tcp/7071/p2p/${otherPeerId}`],
  state: 'connected',
  networks: ['libp2p'],
  direction: 'outbound',
  path: 'tcp',
  via: null,
  beyond: [],
  since: '2026-11-23T10:20:30.000Z',
  agent: 'peergate/0.1.0',
  protocols: ['/ipfs/ping/1.0.0', '/meshsub/1.2.0'],
  latencyMs: 12.5,
  traffic: { messagesIn: 1_204, bytesIn: 481_600, messagesOut: 1_198, bytesOut: 479_200 },
  score: 1.5,
  firstSeen: '2026-11-20T08:00:00.000Z',
  lastSeen: '2026-11-23T12:34:05.000Z',
  topics: ['orders'],
  label: null,
  gateway: peerId,
}

export const serviceExample: ServiceView = {
  service: 'prices',
  providers: 2,
  concurrency: 8,
  open: 1,
  waiting: 0,
  requests: 1_204,
  answers: 1_198,
  failures: 5,
  since: '2026-11-23T10:20:30.000Z',
  gateway: peerId,
}

export const validatorExample: ValidatorView = {
  topic: 'orders',
  validators: 1,
  deadlineMs: 1_000,
  default: 'ignore',
  open: 0,
  accepted: 812,
  ignored: 3,
  rejected: 1,
  late: 0,
  since: '2026-11-23T10:20:30.000Z',
  gateway: peerId,
}

export const tokenExample: TokenView = {
  id: 'tok_4k2m9q7x3v5b8n6c',
  name: 'till 3',
  actions: ['publish'],
  topics: ['orders.>'],
  createdAt: '2026-11-23T09:00:00.000Z',
  expiresAt: null,
  lastUsedAt: '2026-11-23T12:35:41.000Z',
}

export const newTokenExample = { ...tokenExample, secret: 'peergate_Zm9yIGV4YW1wbGUgb25seSwgbm8gc2VjcmV0IGF0IGFsbC4' }

export const auditExample: AuditView = {
  id: '00gk3v9q2x7m1f3a9c02',
  at: '2026-11-23T09:02:03.456Z',
  actor: 'operator',
  act: 'revokeToken',
  detail: { params: { id: tokenExample.id }, query: {}, address: '192.0.2.7' },
}

export const gatewayExample: GatewayView = {
  peerId: messageExample.from,
  engine: 'custom',
  version: '0.1.0',
  multiaddrs: ['/ip4/192.0.2.7/tcp/7071/ws'],
  state: 'ready',
  startedAt: '2026-11-23T09:00:00.000Z',
  lastSeen: '2026-11-23T09:02:03.456Z',
}

export const findingExample: Finding = {
  check: 'disk',
  state: 'warning',
  detail: 'Only 812 MiB are free for /var/lib/peergate.',
  fix: 'Free some space, set PEERGATE_DATA_DIR to a larger disk, or keep less (PEERGATE_RETENTION_MAX_BYTES).',
}

export const nodeExample: NodeView = {
  peerId,
  engine: 'libp2p',
  version: '0.1.0',
  multiaddrs: [`/ip4/192.0.2.1/tcp/7071/p2p/${peerId}`],
  reachability: { state: 'direct', confirmed: [{ multiaddr: '/ip4/192.0.2.1/tcp/7071', peers: 2 }], observed: ['192.0.2.1'], relays: [] },
  networks: [
    {
      engine: 'libp2p',
      multiaddrs: [`/ip4/192.0.2.1/tcp/7071/p2p/${peerId}`],
      reachability: {
        state: 'direct',
        confirmed: [{ multiaddr: '/ip4/192.0.2.1/tcp/7071', peers: 2 }],
        observed: ['192.0.2.1'],
        relays: [],
      },
      peers: 3,
    },
  ],
  identityConflicts: [{ peerId, multiaddrs: ['/ip4/192.0.2.9/tcp/7071/ws'], toldBy: null, lastSeen: '2026-11-23T12:30:00.000Z' }],
  capabilities: {
    transports: ['tcp', 'ws', 'wss', 'quic-v1', 'p2p-circuit'],
    encodings: ['utf8', 'base64', 'json'],
    subprotocols: ['peergate.v1.json', 'peergate.v1.cbor'],
    dhtNamespaces: ['/peergate', '/ipns', '/pk'],
    mdns: true,
    relay: false,
    privateNetwork: false,
    catchUp: true,
    streamCompression: false,
    identityProvider: false,
  },
  startedAt: '2026-11-23T12:00:00.000Z',
  uptimeMs: 2_045_000,
  counts: { peers: 3, topics: 1, streams: 2 },
  log: { epoch, earliest: `${epoch}.0`, latest: `${epoch}.1041` },
  limits: { maxMessageBytes: publishedLimits('libp2p', defaultLimits).maxMessageBytes, maxBodyBytes: defaultLimits.maxBodyBytes },
}

export const clientExample = {
  id: 'tok_4k2m9q7x3v5b8n6c',
  actions: ['read', 'publish'],
  topics: ['orders.>'],
  expiresAt: null,
  session: false,
  budgets: [
    { name: 'token', quota: 2_000, perSecond: 1_000, remaining: 1_999, resetSeconds: 1 },
    { name: 'address', quota: 4_000, perSecond: 2_000, remaining: 3_999, resetSeconds: 1 },
  ],
}

export const webhookExample: WebhookView = {
  id: 'wh_0m1k3x9v2q7b4f0e2d1c',
  url: 'https://app.example/hooks/orders',
  topics: ['orders.>'],
  direct: false,
  batchSize: 100,
  batchMs: 0,
  timeoutMs: 15_000,
  headers: [{ name: 'Authorization' }],
  state: 'active',
  cursor: messageExample.cursor,
  failures: 0,
  failingSince: null,
  retryAt: null,
  lastError: null,
  acceptedAt: '2026-11-23T12:34:05.000Z',
  oldSecretUntil: null,
  publicKeys: ['whpk_Zm9yIGV4YW1wbGUsIG5vdCBhIGtleSBvZiBhbnlvbmU='],
  createdAt: '2026-11-23T12:34:04.000Z',
  createdBy: 'operator',
}

export const newWebhookExample: WebhookWithSecret = { ...webhookExample, secret: 'whsec_Zm9yIGV4YW1wbGUsIG5vdCBhIHNlY3JldCBvZiBhbnk=' }

export const webhookAttemptExample: WebhookAttemptView = {
  at: '2026-11-23T12:34:05.000Z',
  webhookId: 'msg_Zm9yIGV4YW1wbGUgb25s',
  messages: 12,
  status: 200,
  durationMs: 34,
  error: null,
}

export const webhookTestExample: WebhookTestView = {
  at: '2026-11-23T12:34:05.000Z',
  webhookId: 'msg_Zm9yIGV4YW1wbGUgb25s',
  status: 200,
  durationMs: 34,
  error: null,
  body: 'ok',
}
