import { createFrameBudget, type FrameRate } from '../transport/frame-budget.ts'

/**
 * What gossip costs: a unit is an id, a topic, or another element of an RPC, one or two microseconds. At once a peer may announce thousands
 * of topics, join their meshes, and name all messages of a partition that has ended.
 */
const gossipFrames: FrameRate = { perSecond: 10_000, burst: 50_000, bytesPerUnit: 256 }
/** An RPC, beside what is in it: 40 µs, and an answer to some. */
const rpcUnits = 20
/**
 * A message, and its bytes, more of which fit into a unit: it is verified before it is known whether it is of any use. Up to 5,000 come in one
 * RPC, the answer of a js peer, and are counted before that is known.
 */
const messageUnits = 5
const messageBytesPerUnit = 4_096
/**
 * Given to every link for a message that this node has not had before and whose signature is right: each neighbour may send it, say that it
 * does not want it, and name it in three heartbeats. So messages count only when they bring nothing.
 */
const newMessageUnits = 70

/** https://github.com/libp2p/specs/blob/master/pubsub/README.md#the-rpc */
const rpcFields = { messages: 2, control: 3 }
/** https://protobuf.dev/programming-guides/encoding/#structure */
const wireTypes = { varint: 0, fixed64: 1, lengthDelimited: 2, fixed32: 5 }

/** What the RPCs of a link may cost. They are counted before they are decoded. */
export interface GossipBudget {
  /** @throws FrameFlood when the RPC is more than is left */
  spend(rpc: Uint8Array): void
}

/**
 * @param seen how many messages this node has had, its own ones among them
 * @param isSuspect whether a link from the same address was cut lately: it has a tenth of the burst, so that coming back is no way to have more
 */
export function createGossipBudget(seen: () => number, { isSuspect = false } = {}): GossipBudget {
  const budget = createFrameBudget(gossipFrames)
  if (isSuspect) budget.spend(0.9 * gossipFrames.burst, 0)
  let looked = seen()
  return {
    spend(rpc) {
      const now = seen()
      if (now !== looked) budget.earn((now - looked) * newMessageUnits)
      looked = now
      const cost = gossipCost(rpc)
      budget.spend(unitsOf(cost), cost.bytes)
    },
  }
}

function unitsOf({ messages, messageBytes, elements }: GossipCost): number {
  return rpcUnits + elements + messages * messageUnits + messageBytes / messageBytesPerUnit
}

interface GossipCost {
  messages: number
  messageBytes: number
  /** Subscriptions, and parts of control messages: ids, topics, peers. */
  elements: number
  /** Of everything but the content of messages. */
  bytes: number
}

/** What an RPC has, as far as it is a protobuf at all. */
function gossipCost(rpc: Uint8Array): GossipCost {
  const cost = { messages: 0, messageBytes: 0, elements: 0, bytes: rpc.length }
  scan(rpc, 0, rpc.length, (field, start, end) => {
    if (field === rpcFields.messages) {
      cost.messages++
      cost.messageBytes += end - start
      cost.bytes -= end - start
      return
    }
    cost.elements++
    if (field !== rpcFields.control) return
    scan(rpc, start, end, (_part, partStart, partEnd) => {
      cost.elements++
      scan(rpc, partStart, partEnd, () => cost.elements++)
    })
  })
  return cost
}

/** Tells each field of a protobuf and where its content is, until the end or what is no field. */
function scan(bytes: Uint8Array, from: number, to: number, onField: (field: number, start: number, end: number) => void): void {
  let at = from

  function varint(): number {
    let value = 0
    for (let factor = 1; at < to; factor *= 128) {
      const byte = bytes[at++] ?? 0
      value += (byte & 0x7f) * factor
      if (byte < 128) return value
      // Ten bytes are the longest that there are.
      if (factor >= 128 ** 9) break
    }
    return Number.NaN
  }

  while (at < to) {
    const tag = varint()
    const field = Math.floor(tag / 8)
    const type = tag % 8
    let length = 0
    if (type === wireTypes.varint) varint()
    else if (type === wireTypes.fixed64) length = 8
    else if (type === wireTypes.fixed32) length = 4
    else if (type === wireTypes.lengthDelimited) length = varint()
    else return
    const end = at + length
    // NaN is no place either.
    if (!(end <= to)) return
    onField(field, at, end)
    at = end
  }
}
