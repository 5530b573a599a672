import type { Logger } from 'pino'
import type { ConnectedPeer, RequestOptions } from '../../engine.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import type { Reading } from '../../reading.ts'
import type { Established } from './establish.ts'
import type { FrameBudget } from './frame-budget.ts'
import type { Goodbye } from './goodbye.ts'
import type { Handlers } from './handlers.ts'
import type { Hello } from './hello.ts'
import type { RecordSocket } from './record-socket.ts'
import type { RequestLimits } from './requests.ts'

/** A connected peer. */
export interface Link {
  readonly peerId: string
  readonly direction: 'inbound' | 'outbound'
  /** Where the socket leads, as a multiaddr without peer id. */
  readonly remote: string
  /** The IP address that the socket leads to; of a link through a relay undefined. */
  readonly seenAt: string | undefined
  /** Whether it runs on a circuit through a relay. */
  readonly isRelayed: boolean
  /** By the monotonic clock. */
  readonly openedAt: number
  /** What the peer says of itself. */
  readonly hello: Hello
  /** Which of the links it is that the end that dialled it has dialled; 0 where that end does not say. */
  readonly dial: number
  readonly view: ConnectedPeer
  /** Lets in what comes behind the hello: the link counts now. */
  begin(): void
  /** Queues a frame of gossip or of a circuit. False when too much waits for the peer, or the link is closing: the frame was dropped. */
  send(type: number, ...parts: Uint8Array[]): boolean
  /** Tells the peer what has changed about this node. */
  update(): void
  /** The round trip in milliseconds. @throws the signal's reason, or Error when the link goes */
  ping(signal: AbortSignal): Promise<number>
  request(protocol: string, body: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  /**
   * Bytes of gossip that the peer sent and that are being verified. While they are too many, or there is no room for more gossip, nothing is
   * read.
   */
  hold(bytes: number): void
  /** Counts work of a frame of the peer (frame-prices.ts): a peer that causes too much is slowed, then cut. */
  charge(units: number): void
  /** One heartbeat: measures the round trip, and closes a link whose other end is silent. */
  beat(now: number): void
  /** When the other end last gave a sign of life, by the monotonic clock. While nothing is read of it, that is now. */
  readonly heardAt: number
  /** Ends it without a word, when the other end would not hear it. */
  cut(): void
  /** With what the peer is told before, if anything. */
  close(goodbye?: Goodbye): void
  /** What the peer said before it closed the link. */
  readonly goodbye: Goodbye | undefined
  /** As `close`, when another link to the same peer counts from now on: what the peer sent before it knew is taken. */
  giveWay(): void
  readonly isClosed: boolean
  /** Resolves when the link is closed. */
  readonly closed: Promise<void>
}

export interface LinkLimits extends RequestLimits {
  maxMessageBytes: number
  maxPubsubBufferBytes: number
  maxStreamBufferBytes: number
  silentLinkMs: number
}

export interface LinkInit {
  limits: LinkLimits
  direction: 'inbound' | 'outbound'
  /** Where the socket leads, as a multiaddr without peer id. */
  remote: string
  seenAt: string | undefined
  /** This node's own words; asked again for each update. */
  hello: () => Hello
}

export interface LinkComponents {
  socket: RecordSocket
  established: Established
  handlers: Handlers
  /** What the peer may have this node do. */
  budget: FrameBudget
  reading: Reading
  reached: LimitsReached
  logger: Logger
  /** A frame of gossip, membership, or a circuit. @throws ProtocolViolation, which closes the link */
  onFrame(link: Link, type: number, body: Buffer): void
  /** The peer told more about itself. */
  onUpdate(link: Link): void
  onClose(link: Link): void
}
