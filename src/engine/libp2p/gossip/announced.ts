import type { RPC } from '@libp2p/gossipsub/message'
import { peerIdFromMultihash } from '@libp2p/peer-id'
import { decode } from 'multiformats/hashes/digest'
import { messageId, peerIdBytes, sequenceBytes } from '../../../model/signed-message.ts'
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
  /** Nothing is told any longer. */
  stop(): void
}

/**
 * Age of a link in milliseconds up to which its peer is told of the latest messages, and how many of them. They are from
 * the last three heartbeats, so a subscription of this age wants all of them.
 */
const newLinkMs = 5_000
const maxRecap = 512
/**
 * Milliseconds within which a peer has to send what it has announced and was asked for, and how many messages are watched
 * for that. What is announced beyond them is not told of.
 */
const askedMs = 2_000
const maxAsked = 20_000

export function createAnnounced(components: {
  internals: Pick<GossipInternals, 'handleIHave' | 'mcache' | 'sendRpc' | 'seenCache' | 'msgIdToStrFn'>
  /** Age of the newest link to a peer, in milliseconds. */
  linkAge(peerId: string): number
  /** Whether the peer puts messages in order itself. Others may ignore earlier ones that they are sent later. */
  ordersItself(peerId: string): boolean
  emit(event: Extract<EngineEvent, { type: 'message:announced' | 'message:missed' }>): void
}): Announced {
  const { internals, linkAge, ordersItself, emit } = components
  const { handleIHave } = internals

  /** When topics were subscribed to, by the monotonic clock. */
  const subscribedAt = new Map<string, number>()
  /** One for each announcement that is watched, and the number of messages in them. */
  const timers = new Set<NodeJS.Timeout>()
  let watched = 0

  /** Messages from before a subscription are not asked for. */
  function isWanted(topic = ''): boolean {
    return performance.now() - (subscribedAt.get(topic) ?? Number.NEGATIVE_INFINITY) > newLinkMs
  }

  internals.handleIHave = (peerId, all) => {
    const wanted = ordersItself(peerId) && linkAge(peerId) <= newLinkMs ? all.filter(({ topicID }) => isWanted(topicID)) : all
    const ihave = wanted.map((list) => ({ ...list, messageIDs: list.messageIDs?.filter((id) => !isSeenUnderOwnId(id)) }))
    const asked = handleIHave.call(internals, peerId, ihave)
    const ids = new Map(asked.flatMap(({ messageIDs = [] }) => messageIDs.flatMap(namedId)))
    if (ids.size > 0 && watched + ids.size <= maxAsked) watch(peerId, ids)
    return asked
  }

  /** Whether the id has another form than this node's, in which gossipsub knows no message. */
  function isSeenUnderOwnId(id: Uint8Array): boolean {
    const own = fromRustId(id)
    return own !== undefined && internals.seenCache.has(internals.msgIdToStrFn(own))
  }

  /** The id in the form of `messageId`, and in that of gossipsub. */
  function namedId(id: Uint8Array): Array<[string, string]> {
    const own = fromRustId(id) ?? id
    const name = readId(own)
    return name === undefined ? [] : [[name, internals.msgIdToStrFn(own)]]
  }

  /** Tells that a peer has announced messages, and after some time which of them have not come. */
  function watch(peerId: string, ids: ReadonlyMap<string, string>): void {
    watched += ids.size
    const timer = setTimeout(() => {
      timers.delete(timer)
      watched -= ids.size
      const missed = [...ids].flatMap(([name, id]) => (internals.seenCache.has(id) ? [] : name))
      if (missed.length > 0) emit({ type: 'message:missed', peerId, ids: missed })
    }, askedMs)
    timers.add(timer)
    emit({ type: 'message:announced', peerId, ids: [...ids.keys()] })
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
    stop() {
      for (const timer of timers) clearTimeout(timer)
      timers.clear()
    },
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

/** Peer ids in base58 by what they begin with, and their lengths: of Ed25519, secp256k1 and RSA keys. */
const base58Lengths = [
  ['12D3KooW', 52],
  ['16Uiu2HA', 53],
  ['Qm', 46],
] as const
const maxRustIdLength = 53 + 20

/**
 * This node's form of an id in the default form of rust-libp2p: the author in base58, then the sequence number in
 * decimal. Undefined for any other id.
 */
function fromRustId(id: Uint8Array): Uint8Array | undefined {
  if (id.length > maxRustIdLength) return undefined
  const text = Buffer.from(id).toString('latin1')
  const length = base58Lengths.find(([start]) => text.startsWith(start))?.[1]
  const sequence = text.slice(length)
  if (length === undefined || !/^\d{1,20}$/.test(sequence) || BigInt(sequence) >= 2n ** 64n) return undefined
  try {
    return Buffer.concat([peerIdBytes(text.slice(0, length)), sequenceBytes(BigInt(sequence))])
  } catch {
    return undefined
  }
}
