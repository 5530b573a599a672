import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import type { WebSocket } from 'ws'
import { ofEndedToken } from '../access/endings.ts'
import { PeergateError, toPeergateError } from '../errors.ts'
import type { Seq } from '../model/cursor.ts'
import type { DeliveryView } from '../model/delivery.ts'
import type { Grant } from '../model/grant.ts'
import type { Peer } from '../model/peer.ts'
import type { PeerNotice } from '../peers/peer-notices.ts'
import { type Asked, createAsked } from './asked.ts'
import type { Client, ClientConnection, QuerySubscription, StreamLimits } from './client.ts'
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

/** The WebSocket stream of one client: takes its frames in order and sends the messages of its subscriptions. */
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
  /** The socket below the WebSocket. */
  wire: Socket
  codec: Codec
  commands: Commands
  /** Room for received frames, shared by all clients. */
  room: FrameRoom
  /** Room for frames that the client has not read yet, shared by all clients. */
  answerRoom: FrameRoom
  logger: Logger
  /** Wall time, milliseconds since 1970. */
  now(): number
  onClose(): void
}

export function createConnection(init: ConnectionInit, components: ConnectionComponents): Connection {
  return new WebSocketClient(init, components)
}

/** Size in bytes up to which a refused frame is decoded, so that the answer can carry its id. */
const namedBytes = 4_096
/** Pings without a sign of life, after which a client is taken for gone. */
const maxUnansweredPings = 2
/** Bytes of a close frame with its reason, at most. */
const goodbyeBytes = 127

class WebSocketClient implements Connection, Client {
  readonly outlet: Outlet
  readonly address: string
  readonly asked: Asked
  readonly subscriptions = new Map<string | undefined, Subscription>()
  #grant: Grant
  /** Ends the connection when its token expires. */
  #expiry: Disposable | undefined
  readonly #components: ConnectionComponents
  readonly #sink: WebSocketSink
  readonly #pump: Pump
  readonly #incoming: Incoming
  /** Created on first use, since most clients only listen. */
  #gone: AbortController | undefined
  readonly #turns: FrameTurns
  openRequests = 0
  #draining = false
  /** The token was revoked. Frames that were already received are dropped too. */
  #isRevoked = false
  /** Since the client was last heard. */
  #unansweredPings = 0

  readonly notifyPeer = (event: PeerNotice, peer: Peer) => notifyOfPeer(this, event, peer)
  readonly notifyDelivery = (delivery: DeliveryView) => notifyOfDelivery(this, delivery)

  constructor({ limits, grant, address, welcome, query }: ConnectionInit, components: ConnectionComponents) {
    const { socket, codec, logger } = components
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
      this.#unansweredPings = 0
    })
    // ws itself closes the socket after an error (1009 for a frame over the limit).
    socket.on('error', (err) => logger.debug({ err }, 'stream socket failed'))
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
    // Drops what the client has not read yet, the close frame included.
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

  beat(): void {
    // Pongs are not read while the outlet is blocked, so their absence says nothing.
    if (this.outlet.isBlocked) return
    // Pings are counted, not the time: while this process stands still, answers that have come are not read either.
    if (this.#unansweredPings === maxUnansweredPings) {
      this.close('noPong')
      return
    }
    this.#unansweredPings++
    this.#components.socket.ping()
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
    return this.#components.socket.readyState === this.#components.socket.CLOSED
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

  /** Reads from the socket only while the client reads its answers and does not run ahead of them. */
  #steer(): void {
    const { socket } = this.#components
    if (this.#turns.isFull || this.outlet.isBlocked) socket.pause()
    else if (socket.isPaused) socket.resume()
  }

  /** Refuses a frame that is still being received: tells the client why and reads no more of it. */
  #refuseFrame(error: unknown): void {
    const isTooLarge = error instanceof FrameTooLarge
    if (!isTooLarge) this.#answerError(error)
    this.close(isTooLarge ? 'frameTooLarge' : 'interrupted')
    this.#components.socket.pause()
  }

  #onMessage(raw: Buffer, binary: boolean): void {
    this.#unansweredPings = 0
    const { held, refusal, isLast = false } = this.#admit(raw.length)
    const pay = (members: number) => this.#components.commands.parse(members, this)
    // A refused frame is decoded only if it is small, for the id in the answer.
    const decoded = refusal === undefined || raw.length <= namedBytes ? this.#components.codec.read(raw, binary, pay) : undefined
    if (decoded?.kind === 'bad') {
      this.#answerError(decoded.error)
      this.close('badFrame')
    } else if (!this.#sink.isOpen) {
      // Frames that arrive between our close and the client's are dropped.
    } else if (this.#draining && !(decoded?.kind === 'frame' && ['reply', 'verdict'].includes(decoded.frame.type))) {
      // While draining, only answers that others wait for are taken.
    } else if (isLast) {
      this.#refuseFrame(refusal)
      return
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

  /** Takes room for a complete frame and charges for its bytes, before the frame is decoded. */
  #admit(bytes: number): { held?: Disposable; refusal?: unknown; isLast?: boolean } {
    let held: HeldFrame | undefined
    try {
      held = this.#incoming.take(bytes)
      this.#components.commands.receive(held.bytes, this)
      return { held }
    } catch (refusal) {
      held?.[Symbol.dispose]()
      return { refusal, isLast: refusal instanceof FrameTooLarge || held?.isInflated === true }
    }
  }

  #answerError(error: unknown, id?: FrameId, subscription?: string): void {
    const problem = toPeergateError(error)
    if (!(error instanceof PeergateError) && !this.#isGone) this.#components.logger.error({ err: error }, 'stream request failed')
    this.outlet.send(errorFrame(problem, id, subscription))
  }

  /** The database could not be read. The client reconnects and resumes at its cursor. */
  #giveUp(error: unknown): void {
    if (this.#isGone) return
    this.#answerError(error)
    this.close('interrupted')
  }
}
