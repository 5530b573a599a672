import type { RPC } from '@libp2p/gossipsub/message'
import { peerIdBytes, type SignedMessage } from '../../model/signed-message.ts'
import type { GossipInternals } from './gossip-internals.ts'

/**
 * Hands messages that we signed ourselves to gossipsub. Its own `publish` signs inside, with a sequence of its own that a restart can set
 * back, and can't be given a message. test/engine/interop.test.ts proves that stock peers understand the result.
 */
export interface RawPublish {
  /** To each subscribed neighbour in the order given; answers for each message how many peers took it. */
  send(messages: SignedMessage[]): number[]
}

/** Messages of one RPC: more of them make no difference to a receiver, which verifies one after another. */
const maxRpcMessages = 50
/** Bytes of one RPC: below the 64 KiB that rust-libp2p takes by default. A message that is larger goes alone. */
const maxRpcBytes = 60_000
/** What stands around the data of a message, beside its topic. */
const overheadBytes = 160

export function createRawPublish(gossipsub: GossipInternals): RawPublish {
  /** Notes a message as ours, so that it is gossiped about, given to those who ask, and not taken from others. */
  function remember(raw: Required<Pick<RPC.Message, 'from' | 'seqno'>> & RPC.Message): void {
    const msgId = Buffer.concat([raw.from, raw.seqno])
    const msgIdStr = gossipsub.msgIdToStrFn(msgId)
    gossipsub.seenCache.put(msgIdStr, undefined)
    gossipsub.mcache.put({ msgId, msgIdStr }, raw, true)
    gossipsub.publishedMessageIds.put(msgIdStr, undefined)
  }

  /** The messages that each neighbour wants, by their place in the batch. */
  function byPeer(messages: SignedMessage[]): Map<string, number[]> {
    const wanted = new Map<string, number[]>()
    const takers = new Map<string, Set<string>>()
    messages.forEach(({ topic }, index) => {
      const peers = takers.get(topic) ?? gossipsub.selectPeersToPublish(topic, true).tosend
      takers.set(topic, peers)
      for (const peerId of peers) {
        const indices = wanted.get(peerId)
        if (indices === undefined) wanted.set(peerId, [index])
        else indices.push(index)
      }
    })
    return wanted
  }

  return {
    send(messages) {
      const raws = messages.map(toRaw)
      raws.forEach(remember)
      const recipients = messages.map(() => 0)
      for (const [peerId, indices] of byPeer(messages)) {
        for (const chunk of chunks(indices, messages)) {
          const rpc = { subscriptions: [], messages: chunk.flatMap((index) => raws[index] ?? []) }
          if (gossipsub.sendRpc(peerId, rpc)) for (const index of chunk) recipients[index] = (recipients[index] ?? 0) + 1
        }
      }
      return recipients
    },
  }
}

/** Cuts a peer's messages into what fits into an RPC each. */
function* chunks(indices: number[], messages: SignedMessage[]): Generator<number[]> {
  let chunk: number[] = []
  let bytes = 0
  for (const index of indices) {
    const size = sizeOf(messages[index])
    if (chunk.length > 0 && (chunk.length >= maxRpcMessages || bytes + size > maxRpcBytes)) {
      yield chunk
      chunk = []
      bytes = 0
    }
    chunk.push(index)
    bytes += size
  }
  if (chunk.length > 0) yield chunk
}

function sizeOf(message: SignedMessage | undefined): number {
  if (message === undefined) return 0
  return message.data.length + Buffer.byteLength(message.topic) + (message.publicKey?.length ?? 0) + overheadBytes
}

function toRaw(message: SignedMessage) {
  return {
    from: authorBytes(message.from),
    ...(message.dataAbsent === true ? {} : { data: message.data }),
    seqno: message.sequence,
    topic: message.topic,
    signature: message.signature,
    ...(message.publicKey === undefined ? {} : { key: message.publicKey }),
  }
}

/** Our own messages come from one author; decoding its id for each would be most of the work. */
let lastAuthor: { peerId: string; bytes: Uint8Array } | undefined

function authorBytes(peerId: string): Uint8Array {
  if (lastAuthor?.peerId !== peerId) lastAuthor = { peerId, bytes: peerIdBytes(peerId) }
  return lastAuthor.bytes
}
