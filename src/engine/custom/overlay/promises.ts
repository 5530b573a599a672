import type { OverlayLimits } from './limits.ts'

/**
 * Messages that neighbours have announced, were asked for, and have not sent. One that brings other messages meanwhile
 * is not to blame: its link may have no room for the answer. Until their time is over they count against its
 * announcements all the same, so that one that lies gains nothing by bringing some messages.
 */
export interface Promises {
  /** A request has left for the neighbour. */
  asked(peerId: string, ids: readonly string[]): void
  /** The message has come, from whichever neighbour. */
  kept(id: string): void
  /** How many messages the neighbour was asked for. */
  count(peerId: string): number
  /** Whether one has not come in the time after which another neighbour is asked. */
  isLate(peerId: string): boolean
  forgetPeer(peerId: string): void
  /** Ends the promises whose time is over. Returns the neighbours that have broken one. */
  broken(): Set<string>
}

export interface PromisesComponents {
  now(): number
  /** When the neighbour last brought a new message that was accepted. */
  broughtAt(peerId: string): number | undefined
}

export function createPromises(
  init: { limits: Pick<OverlayLimits, 'promiseMs' | 'graftAgainMs'> },
  components: PromisesComponents,
): Promises {
  const { promiseMs, graftAgainMs } = init.limits
  const { now, broughtAt } = components
  /** By neighbour, when it was asked for each message, in this order. */
  const peers = new Map<string, Map<string, number>>()

  return {
    asked(peerId, ids) {
      const promises = peers.get(peerId) ?? new Map<string, number>()
      for (const id of ids) if (!promises.has(id)) promises.set(id, now())
      peers.set(peerId, promises)
    },
    kept(id) {
      for (const [peerId, promises] of peers) if (promises.delete(id) && promises.size === 0) peers.delete(peerId)
    },
    count: (peerId) => peers.get(peerId)?.size ?? 0,
    isLate(peerId) {
      const [askedAt] = peers.get(peerId)?.values() ?? []
      return askedAt !== undefined && askedAt <= now() - graftAgainMs
    },
    forgetPeer: (peerId) => peers.delete(peerId),
    broken() {
      const broken = new Set<string>()
      for (const [peerId, promises] of peers) {
        for (const [id, askedAt] of promises) {
          if (askedAt > now() - promiseMs) break
          promises.delete(id)
          if ((broughtAt(peerId) ?? Number.NEGATIVE_INFINITY) < askedAt) broken.add(peerId)
        }
        if (promises.size === 0) peers.delete(peerId)
      }
      return broken
    },
  }
}
