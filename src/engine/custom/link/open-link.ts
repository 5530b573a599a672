import { PeerUnreachable } from '../../../errors.ts'
import { createDeadline } from '../../../lib/deadline.ts'
import type { RequestOptions } from '../../engine.ts'
import { FrameFlood } from '../../frame-flood.ts'
import type { InboundMessage } from '../../inbound-budget.ts'
import { isDirect, type LinkPath, linkPathOf } from '../../reach/link-path.ts'
import type { LinkReading } from '../../reading.ts'
import { createSilence } from '../../silence.ts'
import { ProtocolViolation } from '../wire/frame-stream.ts'
import { connectedPeerOf } from './connected-peer.ts'
import { priceOf, priceOfPart, priceOfUseless } from './frame-prices.ts'
import { frameBoundsFor, frameTypes } from './frame-types.ts'
import { createGivingWay, type GivingWay } from './give-way.ts'
import { decodeGoodbye, encodeGoodbye, type Goodbye, LinkRefused } from './goodbye.ts'
import { decodeHello, encodeHello, type Hello } from './hello.ts'
import type { Link, LinkComponents, LinkInit, LinkView } from './link.ts'
import { createPings, type Pings } from './pings.ts'
import { createRequests, type Requests } from './requests.ts'
import { createSecureChannel, type SecureChannel, UnreadWrites } from './secure-channel.ts'
import { tellerOf } from './teller-of.ts'

/**
 * Bytes of answers that may wait on a link beside its gossip. Pieces of bodies wait for room themselves; refusals and
 * pongs are short.
 */
const answerReserveBytes = 1_048_576
/** Pings in a row without a sign of life, after which a peer is taken for gone. */
const maxUnansweredPings = 3

/**
 * Takes over a socket after its handshake; resolves when the peer's hello has arrived.
 * @throws ProtocolViolation, or the signal's reason; the link is then closed
 */
export async function openLink(init: LinkInit, components: LinkComponents, signal: AbortSignal): Promise<Link> {
  const link = new PeerLink(init, components)
  const giveUp = () => link.close()
  signal.addEventListener('abort', giveUp)
  if (signal.aborted) giveUp()
  try {
    await link.greeted
    signal.throwIfAborted()
    return link
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}

class PeerLink implements Link {
  readonly peerId: string
  readonly direction: 'inbound' | 'outbound'
  readonly remote: string
  readonly seenAt: string | undefined
  readonly dialledAt: string | undefined
  readonly localPort: number | undefined
  readonly openedAt = performance.now()
  readonly path: LinkPath
  readonly isRelayed: boolean
  readonly closed: Promise<void>
  readonly greeted: Promise<void>
  readonly #init: LinkInit
  readonly #components: LinkComponents
  readonly #channel: SecureChannel
  readonly #requests: Requests
  readonly #pings: Pings
  readonly #givingWay: GivingWay
  readonly receivedBytes = () => this.#channel.receivedBytes
  readonly #lost = new AbortController()
  readonly #greet = Promise.withResolvers<void>()
  readonly #close = Promise.withResolvers<void>()
  #hello: Hello | undefined
  #goodbye: Goodbye | undefined
  readonly #reading: LinkReading
  #isPaused = false
  /** A peer that is not read can't be heard. */
  readonly #silence = createSilence(() => (this.#isPaused ? performance.now() : this.#channel.lastHeard))
  /** Whether the link counts. Until then no frame behind the hello is taken. */
  #hasBegun = false
  /** Set while the peer is slowed. */
  #slowed: NodeJS.Timeout | undefined

  constructor(init: LinkInit, components: LinkComponents) {
    const { socket, established, handlers, logger } = components
    this.#init = init
    this.#components = components
    this.peerId = established.session.remotePeerId
    this.direction = init.direction
    this.remote = init.remote
    this.path = linkPathOf(init.remote, Date.now())
    this.isRelayed = !isDirect(this.path)
    this.seenAt = init.seenAt
    this.dialledAt = init.dialledAt
    this.localPort = init.localPort
    this.greeted = this.#greet.promise
    this.closed = this.#close.promise
    this.greeted.catch(() => undefined)
    this.#reading = components.reading.link(this.peerId, () => this.#steer())
    const bounds = frameBoundsFor(init.limits)
    this.#channel = createSecureChannel(
      { ...bounds, maxWaitingBytes: init.limits.maxPubsubBufferBytes + bounds.maxFrameBytes + answerReserveBytes },
      {
        socket,
        established,
        onFrame: (type, body) => this.#onFrame(type, body),
        onPart: (bytes) => this.charge(priceOfPart(bytes)),
        onClose: (reason) => this.#onClose(reason),
      },
    )
    this.#pings = createPings({ send: (nonce) => this.#channel.write(frameTypes.ping, nonce), lost: this.#lost.signal })
    this.#requests = createRequests(
      { limits: init.limits, from: this.peerId, seen: tellerOf(init) },
      { channel: this.#channel, handlers, charge: (units) => this.charge(units), onIdle: () => this.#givingWay.onIdle(), logger },
    )
    this.#givingWay = createGivingWay({ channel: this.#channel, requests: this.#requests })
    this.#channel.write(frameTypes.hello, encodeHello(init.hello()))
    this.#channel.resume()
  }

  get isClosed(): boolean {
    return this.#lost.signal.aborted
  }

  get hello(): Hello {
    if (this.#hello === undefined) throw new Error('the peer has not sent its hello')
    return this.#hello
  }

  get dial(): number {
    const { dial = 0 } = this.direction === 'outbound' ? this.#init.hello() : this.hello
    return dial
  }

  get view(): LinkView {
    return connectedPeerOf(this, this.#pings.latencyMs)
  }

  begin(): void {
    // Deferred, so that the caller gets the link before its first frame.
    queueMicrotask(() => {
      this.#hasBegun = true
      this.#steer()
    })
  }

  send(type: number, ...parts: Uint8Array[]): boolean {
    if (!this.#channel.isOpen || this.#channel.waitingBytes > this.#init.limits.maxPubsubBufferBytes) return false
    this.#channel.write(type, ...parts)
    return true
  }

  update(): void {
    this.#channel.write(frameTypes.hello, encodeHello(this.#init.hello()))
  }

  ping(signal: AbortSignal): Promise<number> {
    return this.#pings.ping(signal)
  }

  async request(protocol: string, body: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    if (this.#givingWay.hasBegun) throw new PeerUnreachable('Another link to this peer has replaced this one.')
    return await this.#requests.request(protocol, body, options)
  }

  enter(dataBytes: number): InboundMessage | undefined {
    const message = this.#reading.enter(dataBytes)
    this.#steer()
    return message
  }

  charge(units: number): void {
    if (this.isClosed) return
    const now = performance.now()
    const until = this.#components.budget.charge(now, units)
    if (until === 'over') {
      this.#channel.cut(new FrameFlood('the peer caused more work than an honest peer does'))
    } else if (until > now) this.#slow(until - now)
  }

  #slow(ms: number): void {
    clearTimeout(this.#slowed)
    this.#slowed = setTimeout(() => {
      this.#slowed = undefined
      this.#steer()
    }, ms)
    this.#steer()
  }

  /** Whether the peer is read at the moment. */
  get #isReading(): boolean {
    return this.#hasBegun && this.#slowed === undefined && this.#reading.isOpen
  }

  #steer(): void {
    // The hello is read before the link counts.
    this.#isPaused = !this.#isReading && this.#hello !== undefined
    if (this.#isPaused) this.#channel.pause()
    else this.#channel.resume()
  }

  async beat(): Promise<void> {
    if (this.#silence.look() >= maxUnansweredPings) return this.close()
    using deadline = createDeadline(this.#init.limits.silentLinkMs, [])
    await this.ping(deadline.signal).catch(() => undefined)
  }

  get heardAt(): number {
    return this.#isPaused ? performance.now() : Math.max(this.#channel.lastHeard, this.#channel.lastTaken)
  }

  cut(): void {
    this.#channel.cut(new Error('the peer has fallen silent'))
  }

  close(goodbye?: Goodbye): void {
    if (goodbye !== undefined) this.#channel.write(frameTypes.goodbye, encodeGoodbye(goodbye))
    this.#channel.close()
  }

  get goodbye(): Goodbye | undefined {
    return this.#goodbye
  }

  giveWay(): Promise<void> {
    this.#givingWay.begin()
    return this.#givingWay.moved
  }

  #onFrame(type: number, body: Buffer): void {
    if (type === frameTypes.goodbye) {
      this.#goodbye ??= decodeGoodbye(body)
      this.close()
      return
    }
    if (this.#hello === undefined && type !== frameTypes.hello) throw new ProtocolViolation('a frame before the hello')
    // Happens only when the peer closed the socket before the link counted.
    if (this.#hello !== undefined && !this.#hasBegun) return
    this.charge(priceOf(type))
    this.#take(type, body)
  }

  #take(type: number, body: Buffer): void {
    switch (type) {
      case frameTypes.hello:
        this.#onHello(decodeHello(body))
        break
      case frameTypes.control:
      case frameTypes.message:
      case frameTypes.circuit:
      case frameTypes.circuitData:
      case frameTypes.circuitCredit:
        this.#components.onFrame(this, type, body)
        break
      case frameTypes.ping:
        if (body.length !== 8) throw new ProtocolViolation('not a valid ping')
        this.#channel.write(frameTypes.pong, body)
        break
      case frameTypes.pong:
        if (!this.#pings.answered(body)) this.charge(priceOfUseless(body.length))
        break
      case frameTypes.request:
      case frameTypes.requestBody:
      case frameTypes.answer:
      case frameTypes.answerBody:
      case frameTypes.cancel:
        if (!this.#requests.receive(type, body)) this.charge(priceOfUseless(body.length))
        break
      case frameTypes.moved:
        if (!this.#givingWay.onMoved()) this.charge(priceOfUseless(body.length))
        break
      default:
        this.charge(priceOfUseless(body.length))
    }
  }

  #onHello(hello: Hello): void {
    const isFirst = this.#hello === undefined
    this.#hello = hello
    if (isFirst) this.#channel.pause()
    if (isFirst) this.#greet.resolve()
    else this.#components.onUpdate(this)
  }

  #noteFailure(err: unknown): void {
    const { logger, reached } = this.#components
    if (err instanceof UnreadWrites) reached.note('unread_link')
    if (err instanceof FrameFlood) reached.note('frame_flood')
    logger.debug({ err, peerId: this.peerId }, 'a link failed')
  }

  #onClose(reason: Error | undefined): void {
    if (reason !== undefined) this.#noteFailure(reason)
    clearTimeout(this.#slowed)
    this.#requests.close()
    this.#givingWay.stop()
    this.#lost.abort()
    const refusal = this.#goodbye === undefined ? undefined : new LinkRefused(this.peerId, this.#goodbye)
    this.#greet.reject(reason ?? refusal ?? new Error('the peer closed the link'))
    this.#close.resolve()
    this.#components.onClose(this)
  }
}
