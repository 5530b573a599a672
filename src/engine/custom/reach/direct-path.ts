import type { Logger } from 'pino'
import { backOffMs } from '../../../lib/back-off.ts'
import { createDeadline, orAborted } from '../../../lib/deadline.ts'
import { createLru } from '../../../lib/lru.ts'
import { createTokenBucket } from '../../../lib/token-bucket.ts'
import type { PunchOutcome } from '../../../telemetry/network-metrics.ts'
import type { RequestHandler } from '../../engine.ts'
import type { Link } from '../link/link.ts'
import type { Meeting } from '../link/link-handshake.ts'
import { directPathProtocol } from './protocols.ts'

/**
 * Makes direct links of links through relays ("hole punching", as libp2p's DCUtR). Each end asks the relay to show the
 * other where it sees the socket of this end's own link. Then both connect to each other at the same moment, from the
 * ports of those sockets: each router takes the other end's packets for answers. The dialling end of the relayed link
 * begins. An address comes from the relay only, on request of the peer that is seen there, so no peer can name another
 * one's. Where the ends have not met, each tries the other's own addresses: a router that lets in whom its host has sent
 * to lets this node in now, from whatever port.
 */
export interface DirectPath {
  /** Begins attempts for links that are due. Call it every few seconds, and at each new link. */
  step(): void
  /** Handles `directPathProtocol`: the peer will try, and this node does too. */
  readonly handle: RequestHandler
  /** A relay shows where it sees a peer. Returns whether this node waits for it. */
  seen(relay: Link, peerId: string, at: SeenAt): boolean
  /** Peers with which an attempt is in progress. */
  readonly size: number
}

/** The remote end of a socket, as a relay sees it. */
export interface SeenAt {
  ip: string
  port: number
}

export interface DirectPathComponents {
  links: { get(peerId: string): Link | undefined; readonly all: Iterable<Link> }
  /** The direct link to the relay that a relayed link goes through. */
  relayOf(link: Link): Link | undefined
  /** Asks a relay to show a peer where it sees this node. */
  show(relay: Link, peerId: string): void
  /** Connects and makes a link that counts. @throws Error */
  meet(at: SeenAt, relay: Link, side: Meeting, signal: AbortSignal): Promise<void>
  /** Dials the addresses that the peer of a relayed link says it listens on. */
  dialOwn(link: Link): Promise<void>
  /** An attempt has ended. */
  onEnd(outcome: PunchOutcome): void
  /** Fires when the node is stopped. */
  stopping(): AbortSignal
  logger: Logger
  now?: () => number
  random?: () => number
}

/** Attempts with a peer in a row, the pauses between them, and the pause after the last. */
const attemptsInRow = 3
const pauses = { firstMs: 10_000, lastMs: 60_000 }
const restMs = 3_600_000
/** Milliseconds for an attempt: TCP sends SYN at 0, 1, 3 and 7 seconds (RFC 6298). */
const attemptMs = 8_000
/** Attempts in progress, of both roles. */
const maxAttempts = 8
/** Attempts that peers begin: of one peer, of which the most recently asking ones are counted, and of all. */
const ofOne = { perSecond: 1 / 600, burst: 4 }
const ofAll = { perSecond: 1, burst: 20 }
const maxPeers = 1_000

interface Attempt {
  relayId: string
  shown: PromiseWithResolvers<SeenAt>
}

export function createDirectPath(components: DirectPathComponents): DirectPath {
  const { links, relayOf, show, meet, dialOwn, onEnd, stopping, logger, now = () => performance.now(), random } = components
  const attempts = new Map<string, Attempt>()
  const historyOf = createLru({ max: maxPeers }, () => ({ failures: 0, notBefore: 0 }))
  const bucketOf = createLru({ max: maxPeers }, () => createTokenBucket(ofOne))
  const all = createTokenBucket(ofAll)

  /** The relay's link and its port, when the port can be shared: this node dialled the relay. */
  function wayOf(link: Link): { relay: Link; localPort: number } | undefined {
    const relay = link.isRelayed ? relayOf(link) : undefined
    return relay?.localPort === undefined ? undefined : { relay, localPort: relay.localPort }
  }

  function enter(peerId: string, relay: Link): Attempt {
    const attempt = { relayId: relay.peerId, shown: Promise.withResolvers<SeenAt>() }
    attempts.set(peerId, attempt)
    return attempt
  }

  function failed(peerId: string): void {
    const history = historyOf(peerId)
    const isLast = ++history.failures % attemptsInRow === 0
    history.notBefore = now() + (isLast ? restMs : backOffMs(pauses, (history.failures - 1) % attemptsInRow, random))
  }

  /** The beginning end. Its `show` is also the signal to connect: it takes half a round trip. */
  async function begin(link: Link, relay: Link, localPort: number): Promise<void> {
    const { peerId, remote } = link
    using deadline = createDeadline(attemptMs, [stopping()])
    const { signal } = deadline
    const { shown } = enter(peerId, relay)
    try {
      const roundTripMs = await link.ping(signal)
      await link.request(directPathProtocol, new Uint8Array(), { signal, maxAnswerBytes: 0 })
      const at = await orAborted(shown.promise, signal)
      show(relay, peerId)
      await passed(roundTripMs / 2, signal)
      await meet(at, relay, { role: 'initiator', expectedPeerId: peerId, localPort, dialledAt: remote }, signal)
      historyOf(peerId).failures = 0
      onEnd('succeeded')
      logger.debug({ peerId }, 'a direct link takes the place of one through a relay')
    } catch (err) {
      failed(peerId)
      await missed(link, err)
    } finally {
      attempts.delete(peerId)
    }
  }

  async function missed(link: Link, err: unknown): Promise<void> {
    onEnd('failed')
    logger.debug({ err, peerId: link.peerId }, 'found no direct path to a peer behind a relay')
    await dialOwn(link)
  }

  async function follow(link: Link, relay: Link, localPort: number, attempt: Attempt): Promise<void> {
    const { peerId, remote } = link
    using deadline = createDeadline(attemptMs, [stopping()])
    const { signal } = deadline
    try {
      const at = await orAborted(attempt.shown.promise, signal)
      await meet(at, relay, { role: 'responder', expectedPeerId: peerId, localPort, dialledAt: remote }, signal)
      onEnd('succeeded')
    } catch (err) {
      await missed(link, err)
    } finally {
      attempts.delete(peerId)
    }
  }

  function isDue(link: Link): boolean {
    if (link.direction !== 'outbound' || !link.isRelayed || attempts.has(link.peerId)) return false
    return link.hello.protocols.includes(directPathProtocol) && historyOf(link.peerId).notBefore <= now()
  }

  return {
    step() {
      for (const link of links.all) {
        if (attempts.size >= maxAttempts) return
        const way = isDue(link) ? wayOf(link) : undefined
        if (way !== undefined) void begin(link, way.relay, way.localPort)
      }
    },
    async handle({ from }) {
      const link = links.get(from)
      const way = link?.direction === 'inbound' ? wayOf(link) : undefined
      if (link === undefined || way === undefined) throw new Error('there is no relayed link whose port can be shared')
      if (attempts.has(from) || attempts.size >= maxAttempts) throw new Error('too many attempts in progress')
      if (!bucketOf(from).take(now()) || !all.take(now())) throw new Error('too many attempts')
      const attempt = enter(from, way.relay)
      show(way.relay, from)
      void follow(link, way.relay, way.localPort, attempt)
      return new Uint8Array()
    },
    seen(relay, peerId, at) {
      const attempt = attempts.get(peerId)
      if (attempt?.relayId !== relay.peerId) return false
      attempt.shown.resolve(at)
      return true
    },
    get size() {
      return attempts.size
    },
  }
}

/** @throws the signal's reason */
async function passed(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  try {
    await orAborted(promise, signal)
  } finally {
    clearTimeout(timer)
  }
}
