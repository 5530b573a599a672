import type { RPC } from '@libp2p/gossipsub/message'
import { peerIdFromMultihash } from '@libp2p/peer-id'
import { decode } from 'multiformats/hashes/digest'
import { messageId } from '../../../model/signed-message.ts'
import type { EngineEvent } from '../../engine.ts'
import type { GossipInternals } from './gossip-internals.ts'

/**
 * What neighbours announce of messages (IHAVE), and what this node announces to new ones: a new link carries only what
 * comes from now on, while earlier messages may still be on their way over other peers.
 */
export interface Announced {
  /** Announces the latest messages of topics to a peer, if it has been linked lately. */
  recap(peerId: string, topics: string[]): void
  subscribed(topic: string): void
  unsubscribed(topic: string): void
}

/**
 * Age of a link in milliseconds up to which its peer is told of the latest messages, and how many of them. They are from
 * the last three heartbeats, so a subscription of this age wants all of them.
 */
const newLinkMs = 5_000
const maxRecap = 512

export function createAnnounced(components: {
  internals: Pick<GossipInternals, 'handleIHave' | 'mcache' | 'sendRpc'>
  /** Age of the newest link to a peer, in milliseconds. */
  linkAge(peerId: string): number
  /** Whether the peer puts messages in order itself. Others may ignore earlier ones that they are sent later. */
  ordersItself(peerId: string): boolean
  emit(event: Extract<EngineEvent, { type: 'message:announced' }>): void
}): Announced {
  const { internals, linkAge, ordersItself, emit } = components
  const { handleIHave } = internals

  /** When topics were subscribed to, by the monotonic clock. */
  const subscribedAt = new Map<string, number>()

  /** Messages from before a subscription are not asked for. */
  function isWanted(topic = ''): boolean {
    return performance.now() - (subscribedAt.get(topic) ?? Number.NEGATIVE_INFINITY) > newLinkMs
  }

  internals.handleIHave = (peerId, all) => {
    const ihave = ordersItself(peerId) && linkAge(peerId) <= newLinkMs ? all.filter(({ topicID }) => isWanted(topicID)) : all
    const asked = handleIHave.call(internals, peerId, ihave)
    const ids = asked.flatMap(({ messageIDs = [] }) => messageIDs.flatMap((id) => readId(id) ?? []))
    if (ids.length > 0) emit({ type: 'message:announced', ids })
    return asked
  }

  function controlOf(latest: Map<string, Uint8Array[]>): RPC.ControlIHave[] {
    let left = maxRecap
    return [...latest].flatMap(([topicID, all]) => {
      const messageIDs = all.slice(0, left)
      left -= messageIDs.length
      return messageIDs.length === 0 ? [] : { topicID, messageIDs }
    })
  }

  return {
    recap(peerId, topics) {
      if (!ordersItself(peerId) || linkAge(peerId) > newLinkMs) return
      const ihave = controlOf(internals.mcache.getGossipIDs(new Set(topics)))
      if (ihave.length === 0) return
      const control = { ihave, iwant: [], graft: [], prune: [], idontwant: [] }
      internals.sendRpc(peerId, { subscriptions: [], messages: [], control })
    },
    subscribed: (topic) => void subscribedAt.set(topic, performance.now()),
    unsubscribed: (topic) => void subscribedAt.delete(topic),
  }
}

const sequenceLength = 8

/** The message id, as `messageId` gives it; undefined if it is that of an implementation with other ids. */
function readId(id: Uint8Array): string | undefined {
  try {
    const author = peerIdFromMultihash(decode(id.subarray(0, -sequenceLength)))
    return messageId(author.toString(), id.subarray(-sequenceLength))
  } catch {
    return undefined
  }
}
