import type { GossipSub } from '@libp2p/gossipsub'
import { peerIdBytes, type SignedMessage } from '../../model/signed-message.ts'

/**
 * Hands messages that we signed ourselves to gossipsub's internals. Its own `publish` signs inside, with a sequence of its own that a
 * restart can set back, and can't be given a message. This is the only place that knows the internals of the pinned version; what it
 * needs of them is checked at start, and test/engine/interop.test.ts proves that stock peers understand the result.
 */
export interface RawPublish {
  /** In order; answers for each how many peers took it. */
  send(messages: SignedMessage[]): number[]
  /** Whether messages can be sent to the peer now: its subscription may be known before our stream to it is open. */
  reaches(peerId: string): boolean
}

/** Messages and bytes of data of one RPC: well below the 1–4 MiB frames that peers take. */
const maxRpcMessages = 50
const maxRpcBytes = 262_144

interface RawMessage {
  from: Uint8Array
  data?: Uint8Array
  seqno: Uint8Array
  topic: string
  signature: Uint8Array
  key?: Uint8Array
}

interface Internals {
  selectPeersToPublish(topic: string, floodPublish?: boolean): { tosend: Set<string> }
  sendRpc(peerId: string, rpc: { subscriptions: never[]; messages: RawMessage[]; control: undefined }): boolean
  msgIdToStrFn(id: Uint8Array): string
  readonly seenCache: { put(id: string): unknown }
  readonly mcache: { put(id: { msgId: Uint8Array; msgIdStr: string }, message: RawMessage, validated: boolean): unknown }
  readonly publishedMessageIds: { put(id: string): unknown }
  readonly streamsOutbound: ReadonlyMap<string, unknown>
}

/** @throws Error when this version of gossipsub is not the one this was written for */
export function createRawPublish(pubsub: GossipSub): RawPublish {
  const internals: object = pubsub
  if (!hasInternals(internals)) throw new Error('@libp2p/gossipsub is not the version that raw-publish.ts was written for; pin it again')
  const gossipsub = internals

  /** Notes a message as ours, so that it is gossiped about, given to those who ask, and not taken from others. */
  function remember(raw: RawMessage): void {
    const msgId = Buffer.concat([raw.from, raw.seqno])
    const msgIdStr = gossipsub.msgIdToStrFn(msgId)
    gossipsub.seenCache.put(msgIdStr)
    gossipsub.mcache.put({ msgId, msgIdStr }, raw, true)
    gossipsub.publishedMessageIds.put(msgIdStr)
  }

  function sendRun(topic: string, run: RawMessage[]): number {
    const { tosend } = gossipsub.selectPeersToPublish(topic, true)
    let taken = 0
    for (const peerId of tosend) {
      // A new RPC for each peer: gossipsub adds to it what else the peer should hear.
      if (gossipsub.sendRpc(peerId, { subscriptions: [], messages: run, control: undefined })) taken++
    }
    return taken
  }

  return {
    send(messages) {
      const recipients: number[] = []
      for (const run of runs(messages)) {
        const raw = run.map(toRaw)
        raw.forEach(remember)
        const taken = sendRun(raw[0]?.topic ?? '', raw)
        recipients.push(...raw.map(() => taken))
      }
      return recipients
    },
    reaches: (peerId) => gossipsub.streamsOutbound.has(peerId),
  }
}

/** Cuts messages into runs of one topic that fit into an RPC, in order. */
function* runs(messages: SignedMessage[]): Generator<SignedMessage[]> {
  let run: SignedMessage[] = []
  let bytes = 0
  for (const message of messages) {
    const size = message.data.length
    if (run.length > 0 && (run[0]?.topic !== message.topic || run.length >= maxRpcMessages || bytes + size > maxRpcBytes)) {
      yield run
      run = []
      bytes = 0
    }
    run.push(message)
    bytes += size
  }
  if (run.length > 0) yield run
}

/** Our own messages come from one author; decoding its id for each would be most of the work. */
const authors = new Map<string, Uint8Array>()

function toRaw(message: SignedMessage): RawMessage {
  const from = authors.get(message.from) ?? peerIdBytes(message.from)
  if (authors.size < 16) authors.set(message.from, from)
  return {
    from,
    ...(message.dataAbsent === true ? {} : { data: message.data }),
    seqno: message.sequence,
    topic: message.topic,
    signature: message.signature,
    ...(message.publicKey === undefined ? {} : { key: message.publicKey }),
  }
}

function hasInternals(candidate: object): candidate is Internals {
  const methods = ['selectPeersToPublish', 'sendRpc', 'msgIdToStrFn']
  const caches = ['seenCache', 'mcache', 'publishedMessageIds']
  return (
    methods.every((name) => typeof Reflect.get(candidate, name) === 'function') &&
    caches.every((name) => typeof Reflect.get(candidate, name)?.put === 'function') &&
    typeof Reflect.get(candidate, 'streamsOutbound')?.has === 'function'
  )
}
