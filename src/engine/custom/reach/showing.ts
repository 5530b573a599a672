import { multiaddr } from '@multiformats/multiaddr'
import { createLru } from '../../../lib/lru.ts'
import { createTokenBucket } from '../../../lib/token-bucket.ts'
import { endpointOf } from '../../dial/endpoint.ts'
import type { Link } from '../link/link.ts'
import type { SeenAt } from './direct-path.ts'

/**
 * A relay shows an end of a circuit, at that end's request, to the other end: the address at which it sees the end's
 * link.
 */
export interface Showing {
  /** Returns what to tell the other end; undefined when there is no circuit between the two, or too many requests. */
  of(link: Link, to: string): SeenAt | undefined
}

/**
 * Requests of one peer to be shown to another: an attempt takes one. The other peer charges the relay for the frame, so
 * all circuits to it together must not exceed the relay's budget there.
 */
const ofPair = { perSecond: 1 / 60, burst: 4 }
/** Pairs of which the most recent are counted. */
const maxPairs = 1_000

export function createShowing(components: { hasCircuit(one: string, other: string): boolean; now?: () => number }): Showing {
  const { hasCircuit, now = () => performance.now() } = components
  const bucketOf = createLru({ max: maxPairs }, () => createTokenBucket(ofPair))

  return {
    of(link, to) {
      // The port of a link that the relay dialled is the one that the peer listens on.
      if (link.direction !== 'inbound' || link.seenAt === undefined) return undefined
      if (!hasCircuit(link.peerId, to) || !bucketOf(`${link.peerId} ${to}`).take(now())) return undefined
      const port = endpointOf(multiaddr(link.remote))?.port
      return port === undefined ? undefined : { ip: link.seenAt, port }
    },
  }
}
