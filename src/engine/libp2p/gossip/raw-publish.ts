import type { RPC } from '@libp2p/gossipsub/message'
import { peerIdBytes, type SignedMessage } from '../../../model/signed-message.ts'
import type { Stragglers } from '../../stragglers.ts'
import type { GossipInternals } from './gossip-internals.ts'
import type { GossipLanes } from './gossip-lanes.ts'
import { type OutgoingMessage, toOutgoing } from './outgoing-message.ts'

/**
 * Hands signed messages to gossipsub. gossipsub's own `publish` takes no signed message: it signs by
 * itself, with sequence numbers that a restart can set back. test/engine/interop.test.ts proves that stock peers
 * understand the result.
 */
export interface RawPublish {
  /**
   * Hands messages to each subscribed neighbour, in the given order. Returns for each message the number of peers that
   * took it.
   */
  send(messages: SignedMessage[]): number[]
  /** Hands messages of any author to one neighbour. Returns the number, from the first, that were handed or skipped. */
  feed(peerId: string, messages: SignedMessage[]): number
  isTooLarge: Stragglers['isTooLarge']
}

export function createRawPublish(components: {
  internals: GossipInternals
  lanes: Pick<GossipLanes, 'hand' | 'isReady' | 'feed' | 'isTooLarge'>
}): RawPublish {
  const { internals, lanes } = components

  /** Registers a message, so that it is gossiped about, sent on request, and ignored when others send it. */
  function remember(raw: Required<Pick<RPC.Message, 'from' | 'seqno'>> & RPC.Message): void {
    const msgId = Buffer.concat([raw.from, raw.seqno])
    const msgIdStr = internals.msgIdToStrFn(msgId)
    internals.seenCache.put(msgIdStr, undefined)
    internals.mcache.put({ msgId, msgIdStr }, raw, true)
    internals.publishedMessageIds.put(msgIdStr, undefined)
  }

  /** The messages for each neighbour, by their index in the batch. */
  function byPeer(messages: SignedMessage[]): Map<string, number[]> {
    const wanted = new Map<string, number[]>()
    const takers = new Map<string, Set<string>>()
    messages.forEach(({ topic, from }, index) => {
      const peers = takers.get(topic) ?? internals.selectPeersToPublish(topic, true).tosend
      takers.set(topic, peers)
      for (const peerId of peers) {
        if (peerId === from) continue
        const indices = wanted.get(peerId)
        if (indices === undefined) wanted.set(peerId, [index])
        else indices.push(index)
      }
    })
    return wanted
  }

  return {
    send(messages) {
      const outgoing = messages.map((message): OutgoingMessage => {
        const raw = toRaw(message)
        remember(raw)
        return toOutgoing(raw)
      })
      const recipients = messages.map(() => 0)
      for (const [peerId, indices] of byPeer(messages)) {
        const handed = lanes.hand(
          peerId,
          indices.flatMap((index) => outgoing[index] ?? []),
        )
        indices.forEach((index, at) => {
          if (handed[at] === true) recipients[index] = (recipients[index] ?? 0) + 1
        })
      }
      return recipients
    },
    feed(peerId, messages) {
      if (!lanes.isReady(peerId)) return 0
      const wanted = messages.filter(({ topic }) => internals.topics.get(topic)?.has(peerId) === true)
      const refused =
        wanted[
          lanes.feed(
            peerId,
            wanted.map((message) => toOutgoing(toRaw(message))),
          )
        ]
      return refused === undefined ? messages.length : messages.indexOf(refused)
    },
    isTooLarge(message) {
      const others = [...(internals.topics.get(message.topic) ?? [])].filter((peerId) => peerId !== message.from)
      const outgoing = toOutgoing(toRaw(message))
      return others.length > 0 && others.every((peerId) => lanes.isTooLarge(peerId, outgoing))
    },
  }
}

function toRaw(message: SignedMessage) {
  return {
    from: peerIdBytes(message.from),
    ...(message.dataAbsent === true ? {} : { data: message.data }),
    seqno: message.sequence,
    topic: message.topic,
    signature: message.signature,
    ...(message.publicKey === undefined ? {} : { key: message.publicKey }),
  }
}
