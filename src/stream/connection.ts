import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import type { WebSocket } from 'ws'
import { ofEndedToken } from '../access/endings.ts'
import { PeergateError, toPeergateError } from '../errors.ts'
import type { Seq } from '../model/cursor.ts'
import type { DeliveryView } from '../model/delivery.ts'
import type { Grant } from '../model/grant.ts'
import type { Peer } from '../model/peer.ts'
import type { Server } from '../services/service-registry.ts'
import type { Validator } from '../validation/validator-registry.ts'
import { createAsked } from './asked.ts'
import type { Client, ClientConnection, PeerNotice, QuerySubscription, StreamLimits } from './client.ts'
import { type FrameId, maxFrameBytesOf } from './client-frames.ts'
import type { CloseReason } from './close-codes.ts'
import type { Codec } from './codec.ts'
import type { Commands } from './commands.ts'
import { createExpiry } from './expiry.ts'
import { createFrameTurns, type FrameTurns } from './frame-turns.ts'
import { createIncoming, type FrameRoom, FrameTooLarge, type HeldFrame, type Incoming } from './incoming.ts'
import { notifyOfDelivery, notifyOfPeer } from './notices.ts'
import { createOutlet, type Outlet } from './outlet.ts'
import { createPump, type Pump } from './pump.ts'
import { errorFrame, type ServerFrame } from './server-frames.ts'
import type { Subscription } from './subscription.ts'
import { createWebSocketSink, type WebSocketSink } from './web-socket-sink.ts'

/** A client's stream: takes its frames one after another, and sends for its subscriptions. */
export interface Connection extends ClientConnection {
  close(reason: CloseReason): void
}

export interface ConnectionInit {
  limits: StreamLimits
  grant: Grant
  address: string
  welcome: ServerFrame
  query: QuerySubscription
}

export interface ConnectionComponents {
  socket: WebSocket
  /** What the WebSocket stands on. */
  wire: Socket
  codec: Codec
  commands: Commands
  /** Shared with the frames of all clients. */
  room: FrameRoom
  /** For what the client has not taken yet. */
  answerRoom: FrameRoom
  logger: Logger
  /** Wall time, milliseconds since 1970. */
  now(): number
  onClose(): void
}

export function createConnection(init: ConnectionInit, components: ConnectionComponents): Connection {
  return new WebSocketClient(init, components)
}

/** Bytes of a refused frame that is read for its id. */
const namedBytes = 4_096

/** Bytes of a close frame, with its reason. */
const goodbyeBytes = 127

class WebSocketClient implements Connection, Client {
  readonly outlet: Outlet
  readonly address: string
  readonly asked: Server & Validator
  readonly subscriptions = new Map<string | undefined, Subscription>()
  #grant: Grant
  /** Ends the connection when its token expires. */
  #expiry: Disposable | undefined
  readonly #limits: StreamLimits
  readonly #components: ConnectionComponents
  readonly #sink: WebSocketSink
  readonly #pump: Pump
  readonly #incoming: Incoming
  /** Made when somebody asks; most clients only listen. */
  #gone: AbortController | undefined
  readonly #turns: FrameTurns
  openRequests = 0
  #draining = false
  /** Nothing more is done for it, not even what it has asked already. */
  #isRevoked = false
  #lastHeard = performance.now()

  readonly notifyPeer = (event: PeerNotice, peer: Peer) => notifyOfPeer(this, event, peer)
  readonly notifyDelivery = (delivery: DeliveryView) => notifyOfDelivery(this, delivery)

  constructor({ limits, grant, address, welcome, query }: ConnectionInit, components: ConnectionComponents) {
    const { socket, codec, logger } = components
    this.#limits = limits
    this.address = address
    this.#grant = grant
    this.#components = components
    this.#watchExpiry()
    this.#sink = createWebSocketSink(components)
    this.outlet = createOutlet(limits, {
      sink: this.#sink,
      writer: codec,
      room: (bytes) => components.answerRoom.take(this, bytes),
      onDrain: () => this.#onDrain(),
      onTooSlow: () => this.close('tooSlow'),
    })
    this.asked = createAsked({ client: this, outlet: this.outlet })
    this.#pump = createPump({ sources: this.subscriptions, outlet: this.outlet, onError: (error) => this.#giveUp(error) })
    this.#incoming = createIncoming(
      { maxBytes: () => maxFrameBytesOf(this.#grant, limits) },
      { room: components.room, client: this, wire: components.wire, onRefused: (error) => this.#refuseFrame(error) },
    )
    this.#turns = createFrameTurns(
      { limits },
      {
        client: this,
        commands: components.commands,
        isRevoked: () => this.#isRevoked,
        answerError: (...of) => this.#answerError(...of),
        onChange: () => this.#steer(),
      },
    )
    socket.on('message', (raw: Buffer, binary) => this.#onMessage(raw, binary))
    socket.on('pong', () => {
      this.#lastHeard = performance.now()
    })
    // ws closes by itself after an error (a frame over the limit: 1009), so there is nothing to do but to note it.
    socket.on('error', (err) => logger.debug({ err }, 'a stream socket failed'))
    socket.once('close', () => this.#onClose())
    this.outlet.send(welcome)
    if (query.topics.length > 0 || query.direct === true || query.deliveries === true) this.#turns.enqueue({ type: 'subscribe', ...query })
  }

  get grant(): Grant {
    return this.#grant
  }

  set grant(grant: Grant) {
    this.#grant = grant
    this.#watchExpiry()
  }

  get grantId(): string {
    return this.#grant.id
  }

  get session(): string | undefined {
    return this.#grant.session
  }

  #watchExpiry(): void {
    this.#expiry?.[Symbol.dispose]()
    this.#expiry = createExpiry(this.#grant.expiresAt, this.#components.now, () => this.close('tokenExpired'))
  }

  revoke(): void {
    this.#isRevoked = true
    this.#gone?.abort(ofEndedToken())
    this.close('tokenRevoked')
    // What the client has not taken yet is dropped, the goodbye with it.
    if (this.#sink.bufferedBytes > goodbyeBytes) this.#components.socket.terminate()
  }

  get signal(): AbortSignal {
    this.#gone ??= new AbortController()
    if (this.#isRevoked) this.#gone.abort(ofEndedToken())
    else if (this.#isGone) this.#gone.abort()
    return this.#gone.signal
  }

  onReady(): void {
    this.#pump.run()
  }

  beat(now: number): void {
    const { socket } = this.#components
    // What it would answer is not read meanwhile.
    if (this.outlet.isBlocked) return
    if (now - this.#lastHeard > 2 * this.#limits.heartbeatMs) {
      this.close('noPong')
      return
    }
    socket.ping()
    for (const subscription of this.subscriptions.values()) subscription.reportProgress()
  }

  positions(): Seq[] {
    return Array.from(this.subscriptions.values(), ({ position }) => position)
  }

  async drain(retryAfterMs: number): Promise<void> {
    const { socket } = this.#components
    if (this.#isGone) return
    const closed = new Promise((resolve) => socket.once('close', resolve))
    this.outlet.send({ type: 'closing', reason: 'draining', retryAfterMs })
    this.#draining = true
    const retired = this.#components.commands.retire(this)
    await this.#turns.idle()
    await retired
    this.close('draining')
    await closed
  }

  close(reason: CloseReason): void {
    this.#sink.close(reason)
  }

  get #isGone(): boolean {
    const { socket } = this.#components
    return socket.readyState === socket.CLOSED
  }

  #onClose(): void {
    this.#expiry?.[Symbol.dispose]()
    this.#gone?.abort()
    this.#incoming[Symbol.dispose]()
    for (const subscription of this.subscriptions.values()) subscription.close()
    this.subscriptions.clear()
    this.#components.commands.leave(this)
    this.#components.onClose()
  }

  interrupt(): void {
    this.close('interrupted')
  }

  #onDrain(): void {
    this.#steer()
    this.#components.commands.drained(this)
    this.#pump.run()
  }

  /** Reads from the socket only while the client takes its answers and does not run ahead of them. */
  #steer(): void {
    const { socket } = this.#components
    if (this.#turns.isFull || this.outlet.isBlocked) socket.pause()
    else if (socket.isPaused) socket.resume()
  }

  /** A frame that is still on its way: the client learns why, and no more of it is received. */
  #refuseFrame(error: unknown): void {
    if (error instanceof FrameTooLarge) this.close('frameTooLarge')
    else {
      this.#answerError(error)
      this.close('interrupted')
    }
    this.#components.socket.pause()
  }

  #onMessage(raw: Buffer, binary: boolean): void {
    this.#lastHeard = performance.now()
    const { held, refusal } = this.#admit(raw.length)
    // What is refused is read only to name it, when it is small.
    const decoded = refusal === undefined || raw.length <= namedBytes ? this.#components.codec.read(raw, binary) : undefined
    if (decoded?.kind === 'bad') {
      this.#answerError(decoded.error)
      this.close('badFrame')
    } else if (!this.#sink.isOpen) {
      // It was closed, and what comes until the other side has heard of that is nobody's.
    } else if (this.#draining && !(decoded?.kind === 'frame' && ['reply', 'verdict'].includes(decoded.frame.type))) {
      // What others wait for is taken to the end, and nothing else.
    } else if (refusal !== undefined) {
      this.#answerError(refusal, decoded?.kind === 'frame' ? decoded.frame.id : decoded?.id)
    } else if (decoded?.kind === 'refused') {
      this.#answerError(decoded.error, decoded.id)
    } else if (decoded !== undefined) {
      this.#turns.enqueue(decoded.frame, raw.length, held)
      return
    }
    held?.[Symbol.dispose]()
    this.#steer()
  }

  /** Room for a frame that is whole, and what its bytes cost, before anything of it is read. */
  #admit(bytes: number): { held?: Disposable; refusal?: unknown } {
    let held: HeldFrame | undefined
    try {
      held = this.#incoming.take(bytes)
      this.#components.commands.receive(held.bytes, this)
      return { held }
    } catch (refusal) {
      held?.[Symbol.dispose]()
      return { refusal }
    }
  }

  #answerError(error: unknown, id?: FrameId, subscription?: string): void {
    const problem = toPeergateError(error)
    if (!(error instanceof PeergateError) && !this.#isGone) this.#components.logger.error({ err: error }, 'a stream request failed')
    this.outlet.send(errorFrame(problem, id, subscription))
  }

  /** The database could not be read: the client comes back and resumes where it was. */
  #giveUp(error: unknown): void {
    if (this.#isGone) return
    this.#answerError(error)
    this.close('interrupted')
  }
}
