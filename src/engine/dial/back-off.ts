import type { Logger } from 'pino'
import { createSeldom, sayAgainMs } from '../../lib/seldom.ts'

/**
 * When a peer may be dialled again that refused a link or ended it at once. Every dial that no client has asked for passes here, by peer
 * id. A peer that can't be reached at all is not counted here: whoever dials it has pauses of its own.
 */
export interface BackOff {
  /** Milliseconds until the peer may be dialled again; 0 when it may be now. */
  waitMs(peerId: string): number
  /** The peer refused a link, and perhaps said why and how long to wait. */
  refused(peerId: string, said?: { reason: string; retryAfterMs: number }): void
  /** A link ended. Only one that lived for a while makes the pauses before it forgotten. */
  ended(peerId: string, livedMs: number): void
  /** Forgets everything, when this node starts. */
  clear(): void
}

/** Milliseconds between dials: doubled from the first to the last with each refusal, spread over three to five quarters of it. */
const firstMs = 500
const lastMs = 300_000
/** A link that lived for so long was wanted by both ends. */
const stableMs = 10_000
/** The longest pause that a peer can have this node make. */
export const maxRetryAfterMs = 600_000
/** Of a reason, in a line of the log. */
const maxReasonLength = 32
/** Peers that are remembered, about 100 bytes each; the one refused longest ago is forgotten first. */
const maxPeers = 2_000

export function createBackOff(components: { logger: Logger; now?: () => number; random?: () => number }): BackOff {
  const { logger, now = () => performance.now(), random = Math.random } = components
  const isDue = createSeldom({ everyMs: sayAgainMs }, { now })
  const peers = new Map<string, { refusals: number; until: number }>()

  function refused(peerId: string, said?: { reason: string; retryAfterMs: number }): void {
    const refusals = (peers.get(peerId)?.refusals ?? 0) + 1
    const own = Math.min(firstMs * 2 ** (refusals - 1), lastMs) * (0.75 + random() / 2)
    peers.delete(peerId)
    const waitMs = Math.round(Math.max(own, Math.min(said?.retryAfterMs ?? 0, maxRetryAfterMs)))
    peers.set(peerId, { refusals, until: now() + waitMs })
    const [oldest] = peers.keys()
    if (peers.size > maxPeers && oldest !== undefined) peers.delete(oldest)
    // A link may end early for once, as when the other end stops.
    if ((said !== undefined || refusals > 1) && isDue(peerId)) {
      const reason = said?.reason.slice(0, maxReasonLength) ?? 'the link ended at once'
      logger.info({ peerId, reason, waitMs }, 'a peer refuses links; it is dialled again after growing delays')
    }
  }

  return {
    waitMs: (peerId) => Math.max(0, (peers.get(peerId)?.until ?? 0) - now()),
    refused,
    ended(peerId, livedMs) {
      if (livedMs >= stableMs) peers.delete(peerId)
      else refused(peerId)
    },
    clear: () => peers.clear(),
  }
}
