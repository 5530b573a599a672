import type { RPC } from '@libp2p/gossipsub/message'
import type { GossipInternals } from './gossip-internals.ts'

/**
 * Bytes of control and subscriptions in an RPC: below the 16,384 that rust-libp2p takes by default (gossipsub 0.50), and
 * to peers that are known to take more, so that the announcements of a heartbeat are fewer than the ten that peers read.
 */
const maxControlBytes = { strict: 16_000, generous: 60_000 }
/** Overhead around the fields of a part, in bytes. */
const overheadBytes = 32
/** Maximum ids of one list in one part. */
const maxIds = 100

/** The internals of gossipsub that this file uses. */
export type ControlInternals = Pick<GossipInternals, 'sendRpc' | 'streamsOutbound' | 'control' | 'gossip' | 'piggybackControl'>

/**
 * Makes gossipsub send control (gossip-lanes.ts sends messages) in RPCs that every peer takes. By itself it names
 * thousands of ids in one RPC, and adds pending control for the peer. Peers measure the whole RPC, and drop it
 * (go-libp2p, Kubo and py-libp2p beyond 1 MiB) or stop reading (rust-libp2p beyond 16 KiB of control).
 */
export function splitControl(gossipsub: ControlInternals, { measuresStrictly }: { measuresStrictly(peerId: string): boolean }): void {
  const { sendRpc } = gossipsub

  function sendSplit(peerId: string, rpc: RPC): boolean {
    const maxBytes = measuresStrictly(peerId) ? maxControlBytes.strict : maxControlBytes.generous
    for (const each of split(rpc, maxBytes)) if (!sendRpc.call(gossipsub, peerId, each)) return false
    return true
  }

  /** Sends a peer's pending control first, and keeps it pending if the peer does not take it. */
  function sendWaiting(peerId: string): void {
    const [control, ihave] = [gossipsub.control.get(peerId), gossipsub.gossip.get(peerId)]
    if (control === undefined && ihave === undefined) return
    gossipsub.control.delete(peerId)
    gossipsub.gossip.delete(peerId)
    const rpc = emptyRpc()
    if (control !== undefined) gossipsub.piggybackControl(peerId, rpc, control)
    if (ihave !== undefined) controlOf(rpc).ihave = ihave
    if (sendSplit(peerId, rpc)) return
    if (control !== undefined) gossipsub.control.set(peerId, control)
    if (ihave !== undefined) gossipsub.gossip.set(peerId, ihave)
  }

  gossipsub.sendRpc = (peerId, rpc) => {
    if (!gossipsub.streamsOutbound.has(peerId)) return false
    sendWaiting(peerId)
    return sendSplit(peerId, rpc)
  }
}

/** One element of an RPC. */
interface Part {
  bytes: number
  addTo(rpc: RPC): void
}

/** Splits an RPC without messages. */
function split(rpc: RPC, maxBytes: number): RPC[] {
  const pieces: RPC[] = []
  let left = 0
  for (const part of partsOf(rpc)) {
    if (left < part.bytes || pieces.length === 0) {
      pieces.push(emptyRpc())
      left = maxBytes
    }
    left -= part.bytes
    const piece = pieces.at(-1)
    if (piece !== undefined) part.addTo(piece)
  }
  return pieces
}

function partsOf({ subscriptions, control = emptyControl() }: RPC): Part[] {
  return [
    ...subscriptions.map((each) => part(textBytes(each.topic), (rpc) => rpc.subscriptions.push(each))),
    ...control.graft.map((each) => part(textBytes(each.topicID), (rpc) => controlOf(rpc).graft.push(each))),
    ...control.prune.map((each) => {
      const peers = each.peers.map(
        ({ peerID, signedPeerRecord }) => overheadBytes + (peerID?.length ?? 0) + (signedPeerRecord?.length ?? 0),
      )
      const bytes = peers.reduce((sum, size) => sum + size, textBytes(each.topicID))
      return part(bytes, (rpc) => controlOf(rpc).prune.push(each))
    }),
    ...control.ihave.flatMap((list) => idParts(list, textBytes(list.topicID), ({ ihave }) => ihave)),
    ...control.iwant.flatMap((list) => idParts(list, 0, ({ iwant }) => iwant)),
    ...control.idontwant.flatMap((list) => idParts(list, 0, ({ idontwant }) => idontwant)),
  ]
}

function idParts<List extends { messageIDs: Uint8Array[] }>(
  list: List,
  nameBytes: number,
  listsOf: (control: RPC.ControlMessage) => List[],
): Part[] {
  return Array.from({ length: Math.ceil(list.messageIDs.length / maxIds) }, (_, index) => {
    const messageIDs = list.messageIDs.slice(index * maxIds, (index + 1) * maxIds)
    const bytes = messageIDs.reduce((sum, id) => sum + id.length + 2, nameBytes)
    return part(bytes, (rpc) => listsOf(controlOf(rpc)).push({ ...list, messageIDs }))
  })
}

function part(bytes: number, addTo: (rpc: RPC) => void): Part {
  return { bytes: bytes + overheadBytes, addTo }
}

function textBytes(text: string | undefined): number {
  return Buffer.byteLength(text ?? '')
}

function emptyRpc(): RPC {
  return { subscriptions: [], messages: [] }
}

function emptyControl(): RPC.ControlMessage {
  return { graft: [], prune: [], ihave: [], iwant: [], idontwant: [] }
}

function controlOf(rpc: RPC): RPC.ControlMessage {
  rpc.control ??= emptyControl()
  return rpc.control
}
