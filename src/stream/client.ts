import type { Logger } from 'pino'
import type { Endings } from '../access/endings.ts'
import type { Rates } from '../access/rates.ts'
import type { Consumers } from '../consumers/consumers.ts'
import type { Deliveries } from '../direct/deliveries.ts'
import type { Limits } from '../limits.ts'
import type { History } from '../log/history.ts'
import type { Hub } from '../log/hub.ts'
import type { LogTail } from '../log/tail.ts'
import type { Seq } from '../model/cursor.ts'
import type { DeliveryView } from '../model/delivery.ts'
import type { Grant } from '../model/grant.ts'
import type { Encoding } from '../model/payload.ts'
import type { Peer } from '../model/peer.ts'
import type { PeerNotice } from '../peers/peer-notices.ts'
import type { Peers } from '../peers/peers.ts'
import type { Publisher } from '../publish/publisher.ts'
import type { ServiceRegistry } from '../services/service-registry.ts'
import type { Services } from '../services/services.ts'
import type { Topics } from '../topics/topics.ts'
import type { ValidatorRegistry } from '../validation/validator-registry.ts'
import type { Asked } from './asked.ts'
import type { FrameRoom } from './incoming.ts'
import type { Outlet } from './outlet.ts'
import type { Subscription } from './subscription.ts'

export type StreamLimits = Pick<
  Limits,
  | 'clientSharePercent'
  | 'maxStreamConnections'
  | 'maxStreamConnectionsPerToken'
  | 'maxStreamConnectionsPerAddress'
  | 'maxSubscriptions'
  | 'maxSubscriptionTopics'
  | 'maxSubscribedTopics'
  | 'maxToldTopics'
  | 'maxFrameBytes'
  | 'maxMessageBytes'
  | 'maxPendingFrames'
  | 'maxPendingFrameBytes'
  | 'maxStreamRequests'
  | 'maxSocketBufferBytes'
  | 'slowClientMs'
  | 'heartbeatMs'
>

/** What the stream needs from the rest of the gateway. */
export interface StreamComponents {
  hub: Hub
  history: Pick<History, 'resolve'>
  topics: Pick<Topics, 'use' | 'ensureJoined' | 'matching'>
  publisher: Pick<Publisher, 'enqueue'>
  consumers: Pick<Consumers, 'get' | 'known' | 'work' | 'settle'>
  deliveries: Pick<Deliveries, 'send' | 'watch'>
  tail: Pick<LogTail, 'watchReset'>
  services: Pick<Services, 'request'>
  serviceRegistry: Pick<ServiceRegistry, 'serve' | 'unserve' | 'leave' | 'retire' | 'reply' | 'has'>
  validatorRegistry: Pick<ValidatorRegistry, 'register' | 'unregister' | 'resume' | 'leave' | 'answer' | 'topicsOf'>
  peers: Pick<Peers, 'watch'>
  identity: { peerId: string; engine: string }
  /** @throws Overloaded when the gateway takes no new work */
  load: { check(): void }
  /** Looks up what a token allows. */
  access: { admit(token: string): Promise<Grant> }
  /** Tokens and sessions that have ended, also those that ended during their lookup. */
  endings: Pick<Endings, 'has' | 'watchAll'>
  rates: Pick<Rates, 'take'>
  /** Room for the received frames of all clients, until they were carried out. */
  requestBytes: FrameRoom
  answerBytes: FrameRoom
  logger: Logger
  /** Wall time, milliseconds since 1970. */
  now?: () => number
}

/** The identity and the IP address of a client. */
export interface ClientInfo {
  grant: Grant
  address: string
}

/** A connected client, by WebSocket or by server-sent events. */
export interface ClientConnection {
  readonly grantId: string
  /** Id of the session that replaces the token, if there is one. */
  readonly session: string | undefined
  readonly address: string
  /** Closes the connection because its token was revoked. */
  revoke(): void
  /** One heartbeat: sends progress to quiet subscriptions and closes a client that is silent. */
  beat(): void
  notifyPeer(event: PeerNotice, peer: Peer): void
  notifyDelivery(delivery: DeliveryView): void
  /** The positions of its subscriptions. */
  positions(): Seq[]
  /** Announces the shutdown, finishes pending work and closes. Resolves when the socket is closed. */
  drain(retryAfterMs: number): Promise<void>
  /** Closes at once. The client may resume. */
  interrupt(): void
}

/**
 * The unnamed subscription that the URL asks for, made when the client connects. There is none if it asks for nothing.
 */
export interface QuerySubscription {
  topics: string[]
  direct?: boolean | undefined
  deliveries?: boolean | undefined
  after?: string | undefined
  encoding?: Encoding | undefined
}

/** The sender of a frame, as commands see it. */
export interface Client {
  readonly outlet: Outlet
  /** By name, kept by the commands. */
  readonly subscriptions: Map<string | undefined, Subscription>
  /** Called when a subscription has something to send. */
  onReady(): void
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal
  /** IP address. */
  readonly address: string
  /** The client as a server of requests and as a validator. */
  readonly asked: Asked
  /** Number of the client's own requests that wait for a response. */
  openRequests: number
  /** What the client may do. Replaced when it renews its token. */
  grant: Grant
}
