import type { Logger } from 'pino'
import { backOffMs } from '../../lib/back-off.ts'
import { BoundedMap } from '../../lib/bounded-map.ts'
import { createSeldom, sayAgainMs } from '../../lib/seldom.ts'

/**
 * The back-off of peers that refused a link or ended it at once, by peer id. It applies to every dial that no client
 * asked for. An unreachable peer is not counted here: its dialler has its own delays.
 */
export interface BackOff {
  /** Milliseconds until the peer may be dialled again; 0 if it may be dialled now. */
  waitMs(peerId: string): number
  /** The peer refused a link, possibly with a reason and a delay. */
  refused(peerId: string, said?: { reason: string; retryAfterMs: number }): void
  /** A link ended. Only a link that lasted resets the back-off. */
  ended(peerId: string, livedMs: number): void
  /** Forgets everything. Called when this node starts. */
  clear(): void
}

/** Between dials of a peer that refuses. */
const pauses = { firstMs: 500, lastMs: 300_000 }
/** A link of at least this duration, in milliseconds, was wanted by both ends. */
const stableMs = 10_000
/** The longest delay, in milliseconds, that a peer can ask for. */
export const maxRetryAfterMs = 600_000
/** Maximum length of a reason in the log. */
const maxReasonLength = 32
/** Maximum remembered peers, about 100 bytes each; the one refused longest ago is forgotten first. */
const maxPeers = 2_000

export function createBackOff(components: { logger: Logger; now?: () => number; random?: () => number }): BackOff {
  const { logger, now = () => performance.now(), random } = components
  const isDue = createSeldom({ everyMs: sayAgainMs }, { now })
  const peers = new BoundedMap<string, { refusals: number; until: number }>({ max: maxPeers })

  function refused(peerId: string, said?: { reason: string; retryAfterMs: number }): void {
    const refusals = (peers.get(peerId)?.refusals ?? 0) + 1
    const own = backOffMs(pauses, refusals - 1, random)
    const waitMs = Math.round(Math.max(own, Math.min(said?.retryAfterMs ?? 0, maxRetryAfterMs)))
    peers.set(peerId, { refusals, until: now() + waitMs })
    // A single early end is normal, for example when the other end stops.
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
