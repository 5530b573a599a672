import type { Logger } from 'pino'
import { PeerBlocked } from '../../errors.ts'
import { createSeldom, sayAgainMs } from '../../lib/seldom.ts'
import { crowdRefusal, holderOf } from '../crowds.ts'
import type { IdentityConflicts } from '../identity-conflicts.ts'
import type { LimitsReached } from '../limits-reached.ts'
import { type Goodbye, maxGoodbyePeers } from './link/goodbye.ts'
import type { Instances } from './link/instances.ts'
import type { Link } from './link/link.ts'
import type { Refusal } from './link/link-handshake.ts'
import type { Links } from './link/links.ts'
import { recordOf } from './link/peer-record.ts'
import type { PeerRecord } from './overlay/overlay.ts'
import { sample } from './overlay/partial-view.ts'

/** Decides which peers get no link, and what a refused peer is told. */
export interface Refusals {
  /** Judges the peer id alone. Undefined allows the link. */
  of(peerId: string): Refusal | undefined
  /**
   * Refuses a link from an address (an IPv6 /64) that already holds a quarter of the links while other addresses hold
   * some.
   */
  ofCrowd(link: Link): Refusal | undefined
  /**
   * Refuses a link after its hello when a replaced instance comes back, which means that two nodes share one key. The
   * linked node stays, so that the two do not replace each other in turn.
   */
  ofDuplicate(link: Link): Refusal | undefined
  /** The goodbye for a peer that finds no room, or whose link makes room for others. */
  full(peerId: string): Goodbye
}

/** Milliseconds that a refused peer is told to wait, by reason. */
const retryAfterMs = { full: 30_000, refused: 10_000, duplicate: 30_000 }

export function createRefusals(
  init: { peerId: string; maxConnections: number },
  components: {
    links: Links
    instances: Instances
    conflicts: IdentityConflicts
    /** This node's own instance, as in its hello. */
    instance(): string
    isBlocked(peerId: string): boolean
    /** Configured peers get a link beyond the limit too. */
    isConfigured(peerId: string): boolean
    reached: LimitsReached
    logger: Logger
  },
): Refusals {
  const { peerId, maxConnections } = init
  const { links, instances, conflicts, instance, isBlocked, isConfigured, reached, logger } = components
  const isDue = createSeldom({ everyMs: sayAgainMs })

  /** A few of the linked peers that can be dialled. */
  function others(except: string): PeerRecord[] {
    const dialable = [...links.all].filter((link) => link.peerId !== except && !link.isRelayed && link.hello.multiaddrs.length > 0)
    return sample(dialable, maxGoodbyePeers, Math.random).map(recordOf)
  }

  function full(other: string): Goodbye {
    return { reason: 'full', retryAfterMs: retryAfterMs.full, peers: others(other) }
  }

  function refuse(other: string, error: Error, goodbye: Goodbye): Refusal {
    if (isDue(other)) logger.info({ peerId: other, reason: error.message }, 'refused a peer, which may keep trying')
    return { error, goodbye }
  }

  function isBack({ peerId: other, hello }: Link): boolean {
    if (other === peerId) return hello.instance !== instance()
    const there = links.get(other)
    return there !== undefined && there.hello.instance !== hello.instance && instances.wasReplaced(other, hello.instance)
  }

  return {
    full,
    of(other) {
      if (isBlocked(other)) {
        return refuse(other, new PeerBlocked('This peer is blocked.'), { reason: 'refused', retryAfterMs: retryAfterMs.refused })
      }
      if (links.size < maxConnections || links.get(other) !== undefined || isConfigured(other) || other === peerId) return undefined
      const error = new Error(`this gateway has ${maxConnections} links, the limit set by PEERGATE_MAX_CONNECTIONS`)
      reached.note('link')
      return refuse(other, error, full(other))
    },
    ofCrowd({ peerId: other, direction, seenAt }) {
      if (direction !== 'inbound' || seenAt === undefined || links.get(other) !== undefined || isConfigured(other)) return undefined
      const held = [...links.all].map((each) =>
        holderOf({ peerId: 'others', seenAt: each.direction === 'inbound' ? each.seenAt : undefined }),
      )
      if (crowdRefusal(holderOf({ peerId: other, seenAt }), held, { max: maxConnections }) !== 'share') return undefined
      reached.note('link_share')
      return refuse(other, new Error('the peers of this address have reached their share of the links'), full(other))
    },
    ofDuplicate(link) {
      if (!isBack(link)) return undefined
      const there = links.get(link.peerId)
      conflicts.note({ peerId: link.peerId, multiaddrs: [...(there === undefined ? [] : [there.remote]), link.remote], toldBy: null })
      const error = new Error(link.peerId === peerId ? "another node has this node's key" : 'another node with the same key has a link')
      return { error, goodbye: { reason: 'duplicate', retryAfterMs: retryAfterMs.duplicate } }
    },
  }
}

/** The goodbye for a peer that is blocked while it is linked. */
export const blockedGoodbye: Goodbye = { reason: 'refused', retryAfterMs: retryAfterMs.refused }
