import type { Logger } from 'pino'

/**
 * Finds links that a network which was away for some seconds has left behind. TCP doubles its pauses between attempts, so that such a link
 * may stay mute for half a minute after the network is back (RFC 6298, section 5), while a new one is there at once. A link whose other end
 * is not heard is pinged, then doubted: its peer is dialled beside it. Who answers there, while the link is still mute, gets a new link.
 * A peer that is busy answers on neither, and keeps its link. A doubted link that ends has its peer dialled for some minutes more.
 */
export interface SilentLinks {
  start(): void
  stop(): Promise<void>
}

/** A link that this node has dialled, to an IP address. */
export interface WatchedLink {
  readonly peerId: string
  /** Where it was dialled, with the peer id. */
  readonly multiaddr: string
  /** When the other end last gave a sign of life, by the monotonic clock. */
  readonly heardAt: number
  /** An answer is a sign of life. */
  ping(signal: AbortSignal): Promise<unknown>
  /** Ends it at once; the other end can't be told. */
  cut(): void
}

/** Milliseconds for which the peer of a doubted link is dialled. */
const soughtMs = 300_000
/** Peers that are dialled at once. */
const maxDials = 16
/** Of `doubtedLinkMs`: between two looks, and for an attempt, in which SYN is sent twice. */
const looksPerDoubt = 8
const attemptsPerDoubt = 3

interface Doubted {
  multiaddr: string
  since: number
}

export function createSilentLinks(
  init: { limits: { doubtedLinkMs: number } },
  components: {
    links(): Iterable<WatchedLink>
    /** Whether there is no link to the peer, and one is wanted. */
    isWanted(peerId: string): boolean
    /** Proves that the peer answers at an address, beside the link to it. @throws Error when it does not */
    prove(multiaddr: string, signal: AbortSignal): Promise<void>
    dial(multiaddr: string, signal: AbortSignal): Promise<unknown>
    log: Logger
    now?: () => number
  },
): SilentLinks {
  const { doubtedLinkMs } = init.limits
  const { isWanted, prove, dial, log, now = () => performance.now() } = components
  const doubted = new Map<string, Doubted>()
  const pinged = new Set<string>()
  const dials = new Map<string, Promise<void>>()
  let stopping = new AbortController()
  let looking: NodeJS.Timeout | undefined

  function isSilent({ heardAt }: WatchedLink): boolean {
    return now() - heardAt > doubtedLinkMs
  }

  function look(): void {
    const links = new Map(Array.from(components.links(), (link) => [link.peerId, link]))
    for (const link of links.values()) {
      if (now() - link.heardAt <= doubtedLinkMs / 2) continue
      ping(link)
      if (isSilent(link) && !doubted.has(link.peerId)) doubted.set(link.peerId, { multiaddr: link.multiaddr, since: now() })
    }
    for (const [peerId, peer] of doubted) {
      const link = links.get(peerId)
      if (link === undefined ? isGone(peerId, peer) : !isSilent(link)) doubted.delete(peerId)
      else tryOnce(peerId, peer.multiaddr, link)
    }
  }

  /** Whether nobody looks for the peer any more. */
  function isGone(peerId: string, { since }: Doubted): boolean {
    return !dials.has(peerId) && (!isWanted(peerId) || now() - since > soughtMs)
  }

  function ping(link: WatchedLink): void {
    if (pinged.has(link.peerId)) return
    pinged.add(link.peerId)
    link
      .ping(signalFor(doubtedLinkMs / 2))
      .catch(() => undefined)
      .finally(() => pinged.delete(link.peerId))
  }

  function tryOnce(peerId: string, multiaddr: string, link: WatchedLink | undefined): void {
    if (dials.has(peerId) || dials.size >= maxDials) return
    const signal = signalFor(doubtedLinkMs / attemptsPerDoubt)
    const trying = link === undefined ? dial(multiaddr, signal) : replace(link, signal)
    const done = trying
      .then(() => undefined)
      .catch((err: unknown) => log.debug({ err, multiaddr }, 'the peer of a link that fell silent did not answer'))
      .finally(() => dials.delete(peerId))
    dials.set(peerId, done)
  }

  async function replace(link: WatchedLink, signal: AbortSignal): Promise<void> {
    await prove(link.multiaddr, signal)
    if (!isSilent(link) || stopping.signal.aborted) return
    log.info({ peerId: link.peerId, multiaddr: link.multiaddr }, 'a link that fell silent is replaced: its peer answers beside it')
    link.cut()
    await dial(link.multiaddr, stopping.signal)
  }

  function signalFor(ms: number): AbortSignal {
    return AbortSignal.any([stopping.signal, AbortSignal.timeout(Math.ceil(ms))])
  }

  return {
    start() {
      if (looking !== undefined) return
      stopping = new AbortController()
      looking = setInterval(look, doubtedLinkMs / looksPerDoubt)
    },
    async stop() {
      clearInterval(looking)
      looking = undefined
      stopping.abort(new Error('the node was stopped'))
      doubted.clear()
      await Promise.all(dials.values())
    },
  }
}
