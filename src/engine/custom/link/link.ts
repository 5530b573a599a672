import type { Logger } from 'pino'
import type { Limits } from '../../../limits.ts'
import type { ConnectedPeer, RequestOptions } from '../../engine.ts'
import type { InboundMessage } from '../../inbound-budget.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import type { PeerExchange } from '../../peer-traffic.ts'
import type { LinkPath } from '../../reach/link-path.ts'
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
  /** The remote end of the socket, as a multiaddr without peer id. */
  readonly remote: string
  /** The remote IP address of the socket; undefined for a link through a relay. */
  readonly seenAt: string | undefined
  /** Where the peer can be dialled again, without peer id; undefined for an inbound link. */
  readonly dialledAt: string | undefined
  /** The local port of the socket, if another connection can share it. */
  readonly localPort: number | undefined
  /** Whether the link runs on a circuit through a relay. */
  readonly isRelayed: boolean
  readonly path: LinkPath
  /** Milliseconds of the monotonic clock. */
  readonly openedAt: number
  /** The peer's latest hello. */
  readonly hello: Hello
  /** The dialling end's number for this link; 0 when that end does not tell. */
  readonly dial: number
  readonly view: LinkView
  /** Starts to take frames behind the hello, since the link counts now. */
  begin(): void
  /**
   * Queues a frame of gossip or of a circuit. Returns false when it was dropped: too much waits for the peer, or the
   * link is closing.
   */
  send(type: number, ...parts: Uint8Array[]): boolean
  /** Sends this node's current hello. */
  update(): void
  /** Measures the round trip in milliseconds. @throws the signal's reason, or Error when the link closes */
  ping(signal: AbortSignal): Promise<number>
  request(protocol: string, body: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  /**
   * Counts a message of the peer's gossip while it is being verified. The link is not read while such messages exceed
   * the limit, or while there is no room for more gossip. Undefined when there is no room for the message.
   */
  enter(dataBytes: number): InboundMessage | undefined
  /**
   * Charges the peer for the work of a frame (frame-prices.ts). A peer that causes too much work is slowed, then cut.
   */
  charge(units: number): void
  /** One of three heartbeats in `silentLinkMs`: measures the round trip, and closes a link whose other end is silent. */
  beat(): void
  /** When the other end was last heard, by the monotonic clock. While the link is not read, the current time. */
  readonly heardAt: number
  /** The bytes of the records that the other end has sent. */
  receivedBytes(): number
  /** Closes the link without the closing handshake, for an end that does not respond. */
  cut(): void
  /** Closes the link, after a goodbye if there is one. */
  close(goodbye?: Goodbye): void
  /** The peer's goodbye, if it sent one. */
  readonly goodbye: Goodbye | undefined
  /**
   * Ends the link because another link to the same peer counts now (give-way.ts). It closes when the requests in
   * progress are done. Resolves when all frames that the peer sent before it knew were taken.
   */
  giveWay(): Promise<void>
  readonly isClosed: boolean
  /** Resolves when the link is closed. */
  readonly closed: Promise<void>
}

/** A connected peer, without what its messages tell. */
export type LinkView = Omit<ConnectedPeer, keyof PeerExchange>

export type LinkLimits = RequestLimits & Pick<Limits, 'maxMessageBytes' | 'maxPubsubBufferBytes' | 'maxStreamBufferBytes' | 'silentLinkMs'>

export interface LinkInit {
  limits: LinkLimits
  direction: 'inbound' | 'outbound'
  /** The remote end of the socket, as a multiaddr without peer id. */
  remote: string
  seenAt: string | undefined
  dialledAt: string | undefined
  localPort: number | undefined
  /** This node's own hello, asked for again at each update. */
  hello: () => Hello
}

export interface LinkComponents {
  socket: RecordSocket
  established: Established
  handlers: Handlers
  /** The work that the peer may cause here. */
  budget: FrameBudget
  reading: Reading
  reached: LimitsReached
  logger: Logger
  /** A frame of gossip, membership, or a circuit. @throws ProtocolViolation, which closes the link */
  onFrame(link: Link, type: number, body: Buffer): void
  /** The peer sent another hello. */
  onUpdate(link: Link): void
  onClose(link: Link): void
}
