import type { Logger } from 'pino'
import { backOffMs } from '../../../lib/back-off.ts'
import { createDeadline, orAborted } from '../../../lib/deadline.ts'
import { createLru } from '../../../lib/lru.ts'
import { createTokenBucket } from '../../../lib/token-bucket.ts'
import type { PunchOutcome } from '../../../telemetry/network-metrics.ts'
import type { RequestHandler } from '../../engine.ts'
import type { Link } from '../link/link.ts'
import type { Meeting } from '../link/link-handshake.ts'
import { createAttemptHistory } from './attempt-history.ts'
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
  /** Whether a relayed link was tried in vain, or cannot be: its peer does not take part, or no port can be shared. */
  isSpent(link: Link): boolean
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
  /** Dials the listening addresses of the peer of a relayed link. Ends after `ms` milliseconds. */
  dialOwn(link: Link, ms: number, signal: AbortSignal): Promise<void>
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
const pauses = { firstMs: 2_000, lastMs: 60_000 }
const restMs = 3_600_000
/** Milliseconds for a whole attempt, and for the meeting within it: TCP sends SYN at 0, 1, 3 and 7 seconds (RFC 6298). */
const attemptMs = 16_000
const meetMs = 8_000
/** Attempts in progress, of both roles, and those that peers have begun. */
const maxAttempts = 8
const maxFollowed = 6
/** Attempts that peers begin: of one peer, of which the most recently asking ones are counted, and of all. */
const ofOne = { perSecond: 1 / 600, burst: 4 }
const ofAll = { perSecond: 1, burst: 20 }
const maxPeers = 1_000

interface Attempt {
  /** The relayed link that a direct one is to replace. */
  link: Link
  relayId: string
  shown: PromiseWithResolvers<SeenAt>
  /** Whether this end connects, or the other one is about to. */
  isMeeting: boolean
  /** Fires when another attempt takes its place. */
  readonly outdated: AbortController
}

function pauseMs(failures: number, random?: () => number): number {
  const place = failures % attemptsInRow
  return place === attemptsInRow - 1 ? restMs : backOffMs(pauses, place, random)
}

export function createDirectPath(components: DirectPathComponents): DirectPath {
  const { links, relayOf, show, meet, dialOwn, onEnd, stopping, logger, now = () => performance.now(), random } = components
  const attempts = new Map<string, Attempt>()
  const history = createAttemptHistory({ pauseMs: (failures) => pauseMs(failures, random) }, { now })
  const bucketOf = createLru({ max: maxPeers }, () => createTokenBucket(ofOne))
  const all = createTokenBucket(ofAll)

  /** The relay's link and its port, when the port can be shared: this node dialled the relay. */
  function wayOf(link: Link): { relay: Link; localPort: number } | undefined {
    const relay = link.isRelayed ? relayOf(link) : undefined
    return relay?.localPort === undefined ? undefined : { relay, localPort: relay.localPort }
  }

  function enter(link: Link, relay: Link): Attempt {
    const shown = Promise.withResolvers<SeenAt>()
    const attempt = { link, relayId: relay.peerId, shown, isMeeting: false, outdated: new AbortController() }
    attempts.set(link.peerId, attempt)
    return attempt
  }

  /**
   * Whether the link of an attempt was replaced, and the attempt with it. Two ends that dial each other through the relay
   * have two links for a moment. Addresses that were asked for come whatever becomes of the link, so the attempt goes on
   * while the same end is to begin; else it says nothing of the routers, and another begins on the link that counts.
   */
  function isOutdated({ link, isMeeting, outdated }: Attempt): boolean {
    if (outdated.signal.aborted) return true
    const current = links.get(link.peerId)
    if (current === link) return false
    const isAsking = !isMeeting && link.direction === 'outbound'
    if (current?.isRelayed !== true || isAsking) return !isMeeting
    return current.direction !== link.direction
  }

  function leave(attempt: Attempt): void {
    const { peerId } = attempt.link
    if (attempts.get(peerId) === attempt) attempts.delete(peerId)
  }

  function end(attempt: Attempt): void {
    attempt.outdated.abort(new Error('another attempt takes its place'))
    leave(attempt)
  }

  function endOutdated(): void {
    for (const attempt of attempts.values()) if (isOutdated(attempt)) end(attempt)
  }

  function failed(link: Link): void {
    const ms = history.failed(link)
    // A timer may fire a millisecond early.
    if (ms < restMs) setTimeout(step, ms + 1).unref()
  }

  /** The beginning end. Its `show` is also the signal to connect: it takes half a round trip. */
  async function begin(link: Link, relay: Link, localPort: number): Promise<void> {
    const { peerId, remote } = link
    const attempt = enter(link, relay)
    using whole = createDeadline(attemptMs, [stopping(), attempt.outdated.signal])
    using meeting = createDeadline(meetMs, [whole.signal])
    const { signal } = meeting
    try {
      const roundTripMs = await link.ping(signal)
      await link.request(directPathProtocol, new Uint8Array(), { signal, maxAnswerBytes: 0 })
      const at = await orAborted(attempt.shown.promise, signal)
      attempt.isMeeting = true
      show(relay, peerId)
      await passed(roundTripMs / 2, signal)
      await meet(at, relay, { role: 'initiator', expectedPeerId: peerId, localPort, dialledAt: remote }, signal)
      history.succeeded(link)
      onEnd('succeeded')
      logger.debug({ peerId }, 'a direct link takes the place of one through a relay')
    } catch (err) {
      if (isOutdated(attempt)) return step()
      failed(link)
      await missed(link, err, whole.signal)
    } finally {
      leave(attempt)
    }
  }

  /** @param signal fires at the end of the attempt, which gives its place back then, whatever the dials do */
  async function missed(link: Link, err: unknown, signal: AbortSignal): Promise<void> {
    const { peerId } = link
    onEnd('failed')
    logger.debug({ err, peerId }, 'found no direct path to a peer behind a relay')
    const dials = orAborted(dialOwn(link, attemptMs - meetMs, signal), signal)
    await dials.catch((reason: unknown) => logger.debug({ err: reason, peerId }, 'the dials of an attempt at a direct path have ended'))
  }

  async function follow(link: Link, relay: Link, localPort: number, attempt: Attempt): Promise<void> {
    const { peerId, remote } = link
    using whole = createDeadline(attemptMs, [stopping(), attempt.outdated.signal])
    using meeting = createDeadline(meetMs, [whole.signal])
    const { signal } = meeting
    try {
      const at = await orAborted(attempt.shown.promise, signal)
      attempt.isMeeting = true
      await meet(at, relay, { role: 'responder', expectedPeerId: peerId, localPort, dialledAt: remote }, signal)
      // An attempt that made a link is no abuse.
      bucketOf(peerId).spend(now(), -1)
      onEnd('succeeded')
    } catch (err) {
      if (isOutdated(attempt)) return step()
      await missed(link, err, whole.signal)
    } finally {
      leave(attempt)
    }
  }

  function isDue(link: Link): boolean {
    if (link.direction !== 'outbound' || !link.isRelayed || attempts.has(link.peerId)) return false
    return isAble(link) && !history.isPausing(link)
  }

  function isAble({ hello }: Link): boolean {
    return hello.protocols.includes(directPathProtocol)
  }

  function step(): void {
    if (stopping().aborted) return
    endOutdated()
    for (const link of links.all) {
      if (attempts.size >= maxAttempts) return
      const way = isDue(link) ? wayOf(link) : undefined
      if (way !== undefined) void begin(link, way.relay, way.localPort)
    }
  }

  return {
    step,
    async handle({ from }) {
      const link = links.get(from)
      const way = link?.direction === 'inbound' ? wayOf(link) : undefined
      if (link === undefined || way === undefined) throw new Error('there is no relayed link whose port can be shared')
      endOutdated()
      const before = attempts.get(from)
      const others = [...attempts.values()].filter((each) => each !== before)
      const followed = others.filter((each) => each.link.direction === 'inbound')
      if (before?.link.direction === 'outbound' || others.length >= maxAttempts || followed.length >= maxFollowed)
        throw new Error('too many attempts in progress')
      if (!bucketOf(from).take(now()) || !all.take(now())) throw new Error('too many attempts')
      // The beginning end knows first that an attempt is over: the peer has begun another.
      if (before !== undefined) end(before)
      const attempt = enter(link, way.relay)
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
    isSpent: (link) => !isAble(link) || wayOf(link) === undefined || history.failures(link) > 0,
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
