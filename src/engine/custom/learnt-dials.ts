import type { Logger } from 'pino'
import { createDeadline, orAborted } from '../../lib/deadline.ts'
import { throughRelays } from '../dial/circuit-address.ts'
import type { PeerRecord } from './overlay/overlay.ts'

/**
 * Dials peers at the addresses that others have told, one after another, those of IPv6 first. An address that does not
 * answer, such as one behind a firewall that drops packets, is ahead of the next for a short time only, and its dial goes
 * on beside it (RFC 8305, sections 4 and 5). So a link through a relay comes soon, and the direct one takes its place when
 * it is there.
 */
export interface LearntDials {
  /** Returns whether the peer is linked, once a dial has led to it or all have failed. */
  dial(peer: PeerRecord, signal: AbortSignal): Promise<boolean>
  /** Others have told addresses, each with its peer id: those of peers that are being dialled are dialled, too. */
  told(multiaddrs: readonly string[]): void
}

/** Milliseconds that a dial is ahead of the next: some four round trips, for TCP and the handshakes, of 125 ms. */
export const aheadMs = 500
/** Addresses of a peer that one call dials, those that are told meanwhile included. */
export const maxAddresses = 16

export function createLearntDials(components: {
  /** Dials an address of the peer. @throws Error */
  dial(peerId: string, multiaddr: string, signal: AbortSignal): Promise<unknown>
  isLinked(peerId: string): boolean
  /** Whether the peer may be dialled now: it has no link. */
  isWanted(peerId: string): boolean
  logger: Logger
}): LearntDials {
  const { isLinked, isWanted, logger } = components
  const inProgress = new Set<{ peerId: string; add(multiaddrs: readonly string[]): void }>()

  return {
    async dial({ peerId, multiaddrs }, signal) {
      const known = new Set<string>()
      const waiting: string[] = []
      let dials = 0
      let isReached = false
      let ended = Promise.withResolvers<void>()
      let added = Promise.withResolvers<void>()

      function add(more: readonly string[]): void {
        for (const multiaddr of more) {
          if (known.has(multiaddr) || known.size >= maxAddresses) continue
          known.add(multiaddr)
          waiting.push(multiaddr)
          added.resolve()
        }
      }

      async function begin(multiaddr: string): Promise<void> {
        dials++
        try {
          await components.dial(peerId, multiaddr, signal)
          isReached = true
        } catch (err) {
          logger.debug({ err, multiaddr }, 'failed to dial a learnt peer')
        } finally {
          dials--
          ended.resolve()
        }
      }

      /** A dial has ended, or the latest one has been ahead for its time. */
      async function nextIsDue(): Promise<void> {
        using ahead = createDeadline(aheadMs, [signal])
        await orAborted(ended.promise, ahead.signal).catch(() => undefined)
      }

      const progress = { peerId, add }
      inProgress.add(progress)
      add(multiaddrs.toSorted(ipv6First))
      while (!isReached && !signal.aborted && isWanted(peerId)) {
        ended = Promise.withResolvers()
        added = Promise.withResolvers()
        const next = waiting.shift()
        if (next !== undefined) {
          void begin(next)
          await nextIsDue()
        } else if (dials > 0) await orAborted(Promise.race([ended.promise, added.promise]), signal).catch(() => undefined)
        else break
      }
      inProgress.delete(progress)
      return isLinked(peerId)
    },
    told(multiaddrs) {
      for (const { peerId, add } of inProgress) add(multiaddrs.filter((multiaddr) => multiaddr.endsWith(`/p2p/${peerId}`)))
    },
  }
}

/** Behind routers IPv6 is the likelier direct way: they translate nothing there. */
function ipv6First(a: string, b: string): number {
  return Number(isDirectOverIpv6(b)) - Number(isDirectOverIpv6(a))
}

function isDirectOverIpv6(multiaddr: string): boolean {
  return multiaddr.startsWith('/ip6/') && !multiaddr.includes(throughRelays)
}
