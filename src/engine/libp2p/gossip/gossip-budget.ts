import { createFrameBudget, type FrameRate } from '../transport/frame-budget.ts'

/**
 * The cost of gossip: a unit is an id, a topic, or another element of an RPC, and takes one or two microseconds. A peer
 * may at once announce thousands of topics, join their meshes, and name all messages of a healed partition.
 */
const gossipFrames: FrameRate = { perSecond: 10_000, burst: 50_000, bytesPerUnit: 256 }
/** Cost of an RPC itself: 40 µs, and for some an answer. */
const rpcUnits = 20
/**
 * Cost of a message, and of its bytes, more of which make a unit: it must be verified before it is known to be useful.
 * A js peer answers with up to 5,000 messages in one RPC, which are charged before that.
 */
const messageUnits = 5
const messageBytesPerUnit = 4_096
/**
 * Credit for every link when this node receives a new message with a valid signature: each neighbour may send it,
 * refuse it by IDONTWANT, and name it in three heartbeats. So only useless messages count.
 */
const newMessageUnits = 70

/** https://github.com/libp2p/specs/blob/master/pubsub/README.md#the-rpc */
const rpcFields = { messages: 2, control: 3 }
/** https://protobuf.dev/programming-guides/encoding/#structure */
const wireTypes = { varint: 0, fixed64: 1, lengthDelimited: 2, fixed32: 5 }

/** The budget of a link's RPCs, which are charged before they are decoded. */
export interface GossipBudget {
  /** @throws FrameFlood when the RPC is more than is left */
  spend(rpc: Uint8Array): void
}

/**
 * @param seen number of messages that this node has seen, its own included
 * @param isSuspect whether a link from the same address was cut recently: it starts with a tenth of the burst, so that
 * reconnecting gains nothing
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
  /** Subscriptions, and elements of control messages: ids, topics, peers. */
  elements: number
  /** Bytes of everything except the content of messages. */
  bytes: number
}

/** Counts the elements of an RPC, up to the first byte that is not valid protobuf. */
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

/**
 * Calls `onField` with each field of a protobuf and the position of its content, up to the end or the first invalid
 * field.
 */
function scan(bytes: Uint8Array, from: number, to: number, onField: (field: number, start: number, end: number) => void): void {
  let at = from

  function varint(): number {
    let value = 0
    for (let factor = 1; at < to; factor *= 128) {
      const byte = bytes[at++] ?? 0
      value += (byte & 0x7f) * factor
      if (byte < 128) return value
      // A varint has at most ten bytes.
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
    // Also false for NaN.
    if (!(end <= to)) return
    onField(field, at, end)
    at = end
  }
}
