import type { ConnectionGater } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Logger } from 'pino'
import { createCounter } from '../../lib/counter.ts'
import { createDeadline } from '../../lib/deadline.ts'
import type { Limits } from '../../limits.ts'
import { type BackOff, createBackOff } from '../dial/back-off.ts'
import type { DialPolicy } from '../dial/policy.ts'
import type { ConnectedPeer, EngineEvent, P2PEngine } from '../engine.ts'
import type { LimitsReached } from '../limits-reached.ts'
import { createDialPeer } from './dial-peer.ts'
import type { Introductions } from './introductions.ts'
import type { Node } from './node.ts'
import { createOwnDials, type OwnDials } from './own-dials.ts'
import { createGater } from './transport/gater.ts'

/** Which peers this node wants links to, and the dials that open them. It outlives the node of one start. */
export interface WantedLinks extends Pick<P2PEngine, 'dial' | 'hangUp' | 'block' | 'unblock'> {
  readonly backOff: BackOff
  readonly gater: ConnectionGater
  readonly ownDials: OwnDials
  /** Whether there is a link to the peer, or it was hung up on. */
  isSettled(peerId: string): boolean
  /** Whether this node itself should dial the peer now. */
  isWanted(peerId: string): boolean
}

export interface WantedLinksInit {
  peerId: string
  bootstrap: string[]
  mdns: boolean
  mdnsServiceName?: string
  limits: Pick<Limits, 'dialTimeoutMs' | 'maxConnections' | 'maxHandshakesPerSecond'>
  /** Addresses of this node. */
  multiaddrs(): string[]
}

/** Milliseconds for a link to close gracefully before it is cut. */
const hangUpTimeoutMs = 500

export function createWantedLinks(
  init: WantedLinksInit,
  components: {
    node(): Node | undefined
    policy: DialPolicy
    introductions: Introductions
    peerOf(peerId: string): ConnectedPeer | undefined
    emit(event: EngineEvent): void
    reached: LimitsReached
    logger: Logger
  },
): WantedLinks {
  const { peerId, limits } = init
  const { node, policy, introductions, peerOf, emit, reached, logger } = components
  const backOff = createBackOff({ logger })
  /** Peers that a client has just asked to dial. */
  const asked = createCounter()
  const blocked = new Set<string>()
  /** Peers that were hung up on. This node does not dial them by itself until another dial is requested. */
  const letGo = new Set<string>()
  const dial = createDialPeer({ peerId, limits }, { node, policy, backOff, introductions, peerOf, blocked, letGo, asked })
  const ownDials = createOwnDials(init, { policy, dial, isSettled, isWanted, emit, logger })
  const gater = createGater(limits, {
    blocked,
    letGo,
    isAvoided: (other) => asked.count(other) === 0 && backOff.waitMs(other) > 0,
    isProtected: ownDials.isConfigured,
    connections: () => node()?.getConnections() ?? [],
    reached,
    logger,
  })

  function isSettled(other: string): boolean {
    return letGo.has(other) || peerOf(other) !== undefined
  }

  function isWanted(other: string): boolean {
    const running = node()
    if (running === undefined) return false
    if (running.getConnections().length >= limits.maxConnections && !ownDials.isConfigured(other)) return false
    return !blocked.has(other) && !isSettled(other) && other !== peerId && backOff.waitMs(other) === 0
  }

  async function hangUp(other: string): Promise<void> {
    if (peerOf(other) === undefined) return
    letGo.add(other)
    using deadline = createDeadline(hangUpTimeoutMs, [])
    await node()?.hangUp(peerIdFromString(other), { signal: deadline.signal })
  }

  return {
    backOff,
    gater,
    ownDials,
    dial,
    hangUp,
    async block(other) {
      blocked.add(other)
      await hangUp(other)
    },
    async unblock(other) {
      if (!blocked.delete(other)) return
      letGo.delete(other)
      ownDials.lost(other)
    },
    isSettled,
    isWanted,
  }
}
