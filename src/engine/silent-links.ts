import { multiaddr as parse } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { createDeadline } from '../lib/deadline.ts'
import { createRunningTime } from '../lib/running-time.ts'
import { createShares } from '../lib/shares.ts'
import type { Limits } from '../limits.ts'
import { isCircuitAddress, relayOf } from './dial/circuit-address.ts'
import { withoutPeerId } from './dial/endpoint.ts'
import { type DialPolicy, hostOf } from './dial/policy.ts'

/**
 * Replaces links that stay mute after a network outage of some seconds. TCP and QUIC double their pauses between
 * retransmissions, so such a link may stay mute for half a minute after the network is back (RFC 6298, section 5; RFC
 * 9002, section 6.2), while a new one works at once. A link without signs of life is pinged, then doubted: its peer is
 * dialled on a second connection. If the peer answers there while the link is still mute, the link is replaced. A busy
 * peer answers on neither or on both, and keeps its link. After a doubted link ends, its peer is dialled for some more
 * minutes. The same holds for a relayed link that ends while it is quiet, since it ends with the relay's links. Time in
 * which this process stands still is no silence: what the other end has sent meanwhile is still to be read.
 */
export interface SilentLinks {
  start(): void
  stop(): Promise<void>
}

/** A link that this node has dialled, over any transport. */
export interface WatchedLink {
  readonly peerId: string
  /** The dialled address with the peer id; a name stays a name. */
  readonly multiaddr: string
  /** When the other end last gave a sign of life, by the monotonic clock; still valid after the link has ended. */
  readonly heardAt: number
  /** Pings the other end; an answer is a sign of life. */
  ping(signal: AbortSignal): Promise<unknown>
  /** Ends the link at once, without notice to the other end. */
  cut(): void
}

/** Milliseconds during which the peer of a doubted link is dialled. */
const soughtMs = 300_000
/** Maximum concurrent dials, shared by the hosts that they lead to. */
const maxDials = 16
/** Maximum doubted peers, about 300 bytes each; the one doubted longest ago is forgotten first. */
const maxDoubted = 1_000
/**
 * Divisors of `doubtedLinkMs`, in order: the interval between checks; the silence before a ping; the time of a dial
 * attempt, in which SYN is sent twice; and the time of the last ping of a link whose peer has answered on a second
 * connection, which is at least twice as long as that answer took. A peer that was stopped answers that ping together
 * with the dial, on a busy machine some time after it.
 */
const looksPerDoubt = 8
const pingsPerDoubt = 4
const attemptsPerDoubt = 3
const lastPingsPerDoubt = 16

interface Doubted {
  multiaddr: string
  since: number
}

export function createSilentLinks(
  init: { limits: Pick<Limits, 'doubtedLinkMs'> },
  components: {
    /** The open links; a peer may have several. */
    links(): Iterable<WatchedLink>
    /** Whether there is a link to the peer, or it was hung up on. */
    isSettled(peerId: string): boolean
    /** Whether the peer may be dialled now. */
    isWanted(peerId: string): boolean
    policy: Pick<DialPolicy, 'asking' | 'sourceOf'>
    /**
     * Proves that the peer answers at an address, on a second connection that is closed again. @throws Error when it
     * does not
     */
    prove(multiaddr: string, signal: AbortSignal): Promise<void>
    dial(multiaddr: string, signal: AbortSignal): Promise<unknown>
    logger: Logger
  },
): SilentLinks {
  const { doubtedLinkMs } = init.limits
  const { isSettled, isWanted, policy, prove, dial, logger } = components
  const now = () => performance.now()
  const runningTime = createRunningTime()
  const places = createShares({ max: maxDials })
  const doubted = new Map<string, Doubted>()
  const pinged = new Set<string>()
  const dials = new Map<string, Promise<void>>()
  /** The links that the last check saw. */
  let seen = new Map<string, WatchedLink>()
  let stopping = new AbortController()
  let looking: NodeJS.Timeout | undefined

  function quietMs({ heardAt }: WatchedLink): number {
    return runningTime.since(heardAt)
  }

  function isSilent(link: WatchedLink): boolean {
    return quietMs(link) > doubtedLinkMs
  }

  /** The link of each peer that has been silent for the longest time. */
  function quietest(): Map<string, WatchedLink> {
    const links = new Map<string, WatchedLink>()
    for (const link of components.links()) {
      const other = links.get(link.peerId)
      if (other === undefined || link.heardAt < other.heardAt) links.set(link.peerId, link)
    }
    return links
  }

  function look(): void {
    const links = quietest()
    for (const link of links.values()) {
      if (quietMs(link) > doubtedLinkMs / pingsPerDoubt) ping(link)
      if (isSilent(link)) doubt(link)
    }
    for (const [peerId, link] of seen) if (!links.has(peerId) && hasLostItsWay(link)) doubt(link)
    seen = links
    for (const [peerId, peer] of [...doubted]) {
      const link = links.get(peerId)
      if (link === undefined ? isGone(peerId, peer) : !isSilent(link)) doubted.delete(peerId)
      else tryOnce(peerId, peer, link)
    }
  }

  function doubt({ peerId, multiaddr }: WatchedLink): void {
    if (doubted.has(peerId)) return
    doubted.set(peerId, { multiaddr, since: now() })
    if (doubted.size <= maxDoubted) return
    const [oldest] = [...doubted].toSorted(([, one], [, other]) => one.since - other.since)
    if (oldest !== undefined) doubted.delete(oldest[0])
  }

  /**
   * Whether a relayed link ended while a ping on it was unanswered. A link that its peer ends gives signs of life until
   * then.
   */
  function hasLostItsWay(link: WatchedLink): boolean {
    return isCircuitAddress(parse(link.multiaddr)) && quietMs(link) > doubtedLinkMs * (1 / pingsPerDoubt + 1 / looksPerDoubt)
  }

  /** Whether the search for the peer is over. */
  function isGone(peerId: string, { since }: Doubted): boolean {
    return !dials.has(peerId) && (isSettled(peerId) || now() - since > soughtMs)
  }

  function ping(link: WatchedLink): void {
    if (pinged.has(link.peerId)) return
    pinged.add(link.peerId)
    inTime(doubtedLinkMs / 2, (signal) => link.ping(signal))
      .catch(() => undefined)
      .finally(() => pinged.delete(link.peerId))
  }

  function tryOnce(peerId: string, peer: Doubted, link: WatchedLink | undefined): void {
    if (dials.has(peerId) || (link === undefined && !isWanted(peerId))) return
    const { multiaddr } = peer
    const place = places.take(hostIn(multiaddr))
    if (place === undefined) return
    // Moves the peer to the end, so that dials rotate.
    doubted.delete(peerId)
    doubted.set(peerId, peer)
    const attempt = (signal: AbortSignal) => (link === undefined ? dialAsAsked(multiaddr, signal) : replace(link, signal))
    const done = inTime(doubtedLinkMs / attemptsPerDoubt, attempt)
      .catch((err: unknown) => logger.debug({ err, multiaddr }, 'the peer of a silent link did not answer'))
      .finally(() => {
        dials.delete(peerId)
        place[Symbol.dispose]()
      })
    dials.set(peerId, done)
  }

  async function replace(link: WatchedLink, signal: AbortSignal): Promise<void> {
    const { peerId, multiaddr } = link
    const began = now()
    {
      using _asking = asking(multiaddr)
      await prove(multiaddr, signal)
    }
    const lastPingMs = Math.max(doubtedLinkMs / lastPingsPerDoubt, 2 * (now() - began))
    if (isSilent(link)) await inTime(lastPingMs, (signal) => link.ping(signal)).catch(() => undefined)
    if (!isSilent(link) || stopping.signal.aborted) return
    logger.info({ peerId, multiaddr }, 'a silent link is replaced: its peer answers on another connection')
    link.cut()
    await dialAsAsked(multiaddr, stopping.signal)
  }

  async function dialAsAsked(multiaddr: string, signal: AbortSignal): Promise<void> {
    using _asking = asking(multiaddr)
    await dial(multiaddr, signal)
  }

  /**
   * Treats a dial of an address where the peer was found as requested. A name that neither the operator nor a client
   * gave may resolve to another host by now, so it is dialled within the budget of its teller.
   */
  function asking(multiaddr: string): Disposable | undefined {
    const address = parse(multiaddr)
    const source = policy.sourceOf(withoutPeerId(relayOf(address) ?? address))
    const isGiven = source === 'configured' || source === 'rest'
    return isGiven || isIpAddress(multiaddr) ? policy.asking(withoutPeerId(address)) : undefined
  }

  async function inTime(ms: number, work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    using deadline = createDeadline(Math.ceil(ms), [stopping.signal])
    await work(deadline.signal)
  }

  return {
    start() {
      if (looking !== undefined) return
      stopping = new AbortController()
      runningTime.start()
      looking = setInterval(look, doubtedLinkMs / looksPerDoubt)
    },
    async stop() {
      clearInterval(looking)
      looking = undefined
      runningTime.stop()
      stopping.abort(new Error('the node was stopped'))
      doubted.clear()
      seen.clear()
      await Promise.all(dials.values())
    },
  }
}

function isIpAddress(multiaddr: string): boolean {
  return /^\/ip[46]\//.test(multiaddr)
}

/** The host of the dialled address; for a relayed link the relay's. */
function hostIn(multiaddr: string): string {
  const host = parse(multiaddr).getComponents()[0]?.value ?? ''
  return isIpAddress(multiaddr) ? hostOf(host) : host
}
