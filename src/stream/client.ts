import type { Logger } from 'pino'
import type { Endings } from '../access/endings.ts'
import type { Rates } from '../access/rates.ts'
import type { Hub } from '../log/hub.ts'
import type { Seq } from '../model/cursor.ts'
import type { DeliveryView } from '../model/delivery.ts'
import type { Grant } from '../model/grant.ts'
import type { Encoding } from '../model/payload.ts'
import type { Peer } from '../model/peer.ts'
import type { TopicFilter } from '../model/topic.ts'
import type { Server, ServiceRegistry } from '../services/service-registry.ts'
import type { Topics } from '../topics/topics.ts'
import type { Validator, ValidatorRegistry } from '../validation/validator-registry.ts'
import type { FrameRoom } from './incoming.ts'
import type { Outlet } from './outlet.ts'
import type { Subscription } from './subscription.ts'

export interface StreamLimits {
  clientSharePercent: number
  maxStreamConnections: number
  maxStreamConnectionsPerToken: number
  maxStreamConnectionsPerAddress: number
  maxSubscriptions: number
  maxSubscriptionTopics: number
  maxSubscribedTopics: number
  maxFrameBytes: number
  maxMessageBytes: number
  maxPendingFrames: number
  maxPendingFrameBytes: number
  maxStreamRequests: number
  maxSocketBufferBytes: number
  slowClientMs: number
  heartbeatMs: number
}

/** What the stream needs of the rest of the gateway. */
export interface StreamComponents {
  hub: Hub
  history: { resolve(position: string, filter?: TopicFilter): Promise<{ seq: Seq; pruneCount: number; cursor: string }> }
  topics: Pick<Topics, 'use' | 'ensureJoined'>
  publisher: StreamPublisher
  deliveries: {
    send(message: OutgoingMessage): Promise<{ delivery: DeliveryView; replayed: boolean }>
    watch(watcher: (delivery: DeliveryView) => void): () => void
  }
  /** Tells that the log has become another one. */
  tail: { watchReset(watcher: () => void): () => void }
  services: { request(request: OutgoingRequest, options: { signal: AbortSignal }): Promise<Uint8Array> }
  serviceRegistry: Pick<ServiceRegistry, 'serve' | 'unserve' | 'leave' | 'retire' | 'reply' | 'has'>
  validatorRegistry: Pick<ValidatorRegistry, 'register' | 'unregister' | 'resume' | 'leave' | 'answer' | 'topicsOf'>
  peers: { watch(listener: PeerListener): () => void }
  identity: { peerId: string; engine: string }
  /** Throws when no new work can be taken on. */
  load: { check(): void }
  /** What the bearer of a token may do. */
  access: { admit(token: string): Promise<Grant> }
  /** Tokens and sessions that have ended, be it while they were looked up. */
  endings: Pick<Endings, 'has' | 'watchAll'>
  rates: Pick<Rates, 'take'>
  /** Room for the frames of all clients, until they have been dealt with. */
  requestBytes: FrameRoom
  answerBytes: FrameRoom
  logger: Logger
  /** Wall time, milliseconds since 1970. */
  now?: () => number
}

/** Gives a message its place, and says later what became of it. */
interface StreamPublisher {
  enqueue(
    request: {
      client: string
      messages: Array<{ topic: string; data: Uint8Array }>
      idempotency?: { scope: string; key: string } | undefined
    },
    options: { signal: AbortSignal },
  ): Promise<{ published: Promise<{ items: Array<{ id: string; seq: Seq; recipients: number }>; replayed: boolean }> }>
}

/** A direct message of a client. */
export interface OutgoingMessage {
  /** `clientKey`. */
  client: string
  to: string
  data: Uint8Array
  expiresInMs?: number | undefined
  idempotency?: { scope: string; key: string } | undefined
}

/** A request of a client to a service. */
export interface OutgoingRequest {
  /** `clientKey`. */
  client: string
  to: string
  service: string
  data: Uint8Array
  timeoutMs?: number | undefined
}

/** Who a client is, and where it comes from. */
export interface ClientInfo {
  grant: Grant
  address: string
}

/** A client, however it is connected. */
export interface ClientConnection {
  readonly grantId: string
  /** Id of the session that stands for its token. */
  readonly session: string | undefined
  readonly address: string
  /** Closes since its token was revoked. */
  revoke(): void
  /** One heartbeat: tells quiet subscriptions their progress, and closes a client that is silent or takes nothing. */
  beat(now: number): void
  notifyPeer: PeerListener
  notifyDelivery(delivery: DeliveryView): void
  /** Where its subscriptions are. */
  positions(): Seq[]
  /** Says goodbye, finishes what the client had asked for, closes. Resolves when the socket is closed. */
  drain(retryAfterMs: number): Promise<void>
  /** Closes at once; the client may resume. */
  interrupt(): void
}

type PeerListener = (event: PeerNotice, peer: Peer) => void

export type PeerNotice = 'connect' | 'update' | 'disconnect'

/** What the client asked for in the URL: the unnamed subscription, at once; nothing when it names no topic. */
export interface QuerySubscription {
  topics: string[]
  direct?: boolean | undefined
  deliveries?: boolean | undefined
  after?: string | undefined
  encoding?: Encoding | undefined
}

/** Whom a frame came from. */
export interface Client {
  readonly outlet: Outlet
  /** By name, kept by the commands. */
  readonly subscriptions: Map<string | undefined, Subscription>
  /** Called when a subscription has something to send. */
  onReady(): void
  /** Fires when the client is gone. */
  readonly signal: AbortSignal
  /** Where it comes from. */
  readonly address: string
  /** What it serves and judges. */
  readonly asked: Server & Validator
  /** How many requests of its own wait for an answer. */
  openRequests: number
  /** What it may do; set anew when its token is renewed. */
  grant: Grant
}
