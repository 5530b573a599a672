import type { Logger } from 'pino'
import { backOffMs } from '../../lib/back-off.ts'
import { createLru } from '../../lib/lru.ts'

/**
 * Dials peers that were announced on the local network, at most one dial per peer at a time. Peers repeat their
 * announcements.
 */
export interface DialDiscovered {
  found(peerId: string, multiaddrs: string[]): void
  stop(): Promise<void>
}

/** Maximum concurrent dials; a peer that is left out is announced again within seconds. */
const maxDials = 8
/** Maximum remembered announcements; the one heard longest ago is forgotten first. */
const maxRemembered = 1_000
/** Between dials of an unresponsive peer. */
const pauses = { firstMs: 5_000, lastMs: 300_000 }

interface Announced {
  failures: number
  notBefore: number
}

export function createDialDiscovered(components: {
  /** Whether a link to the peer is wanted and missing. */
  isWanted(peerId: string): boolean
  dial(multiaddr: string, signal: AbortSignal): Promise<unknown>
  logger: Logger
  now?: () => number
}): DialDiscovered {
  const { isWanted, dial, logger, now = () => performance.now() } = components
  /** By peer and addresses: a host announces different addresses on each of its networks. */
  const announced = createLru({ max: maxRemembered }, (): Announced => ({ failures: 0, notBefore: 0 }))
  const dials = new Map<string, Promise<void>>()
  let stopping = new AbortController()

  async function dialOne(peerId: string, multiaddrs: string[], peer: Announced, signal: AbortSignal): Promise<void> {
    for (const multiaddr of multiaddrs) {
      if (signal.aborted || !isWanted(peerId)) return
      try {
        await dial(multiaddr, signal)
        peer.failures = 0
        return
      } catch (err) {
        logger.debug({ err, multiaddr }, 'a peer on the local network did not answer')
      }
    }
    peer.notBefore = now() + backOffMs(pauses, peer.failures++)
  }

  return {
    found(peerId, multiaddrs) {
      const peer = announced([peerId, ...multiaddrs.toSorted()].join())
      if (stopping.signal.aborted) stopping = new AbortController()
      if (dials.has(peerId) || dials.size >= maxDials || peer.notBefore > now() || !isWanted(peerId)) return
      const done = dialOne(peerId, multiaddrs, peer, stopping.signal).finally(() => dials.delete(peerId))
      dials.set(peerId, done)
    },
    async stop() {
      stopping.abort()
      await Promise.all(dials.values())
    },
  }
}
