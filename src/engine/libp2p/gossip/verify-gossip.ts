import type { RPC } from '@libp2p/gossipsub/message'
import { MessageStatus, RejectReason, ValidateError } from '@libp2p/gossipsub/types'
import type { PeerId } from '@libp2p/interface'
import { createAuthors } from '../../../model/authors.ts'
import type { InboundGate } from '../../inbound-gate.ts'
import type { TrafficCounter } from '../../peer-traffic.ts'
import type { LinkReading } from '../../reading.ts'
import type { GossipInternals, ReceivedMessageResult } from './gossip-internals.ts'
import { isSame, type OpenedMessage, openMessage, toGossipMessage, toSigned } from './gossip-messages.ts'
import { toOutgoing } from './outgoing-message.ts'

/**
 * Replaces gossipsub's own verification, which runs on the event loop and imports the author's key for each message.
 * The rules are the same, with these in addition:
 *
 * - A known message is not verified again. Only ids with a valid signature become known, so a forgery blocks no
 *   message.
 * - A copy of a message that is being verified is not verified separately.
 * - The messages of a link are judged in their order of arrival.
 * - A signature that other implementations take and this one does not is no offence of the peer that forwards it.
 */
export function verifyGossip(
  internals: Pick<GossipInternals, 'validateReceivedMessage' | 'seenCache' | 'msgIdToStrFn' | 'sendIDontWants' | 'opts'>,
  components: {
    gate: InboundGate
    /** The reading of a peer's link, which counts the messages being verified. */
    linkOf(source: PeerId): Pick<LinkReading, 'enter'>
    traffic: Pick<TrafficCounter, 'received'>
  },
): void {
  const { gate, linkOf, traffic } = components
  const { seenCache } = internals
  const authors = createAuthors()
  /** The messages being verified, by id. */
  const verifying = new Map<string, { opened: OpenedMessage; isIntact: Promise<boolean> }>()
  /** For each link, the end of the verification of all its messages so far. */
  const lines = new WeakMap<PeerId, Promise<boolean>>()

  /** Whether the author signed the message. */
  function verify(id: string, opened: OpenedMessage): Promise<boolean> {
    const other = verifying.get(id)
    if (other !== undefined && isSame(other.opened, opened)) return other.isIntact
    const isIntact = opened.author.verify(opened.signed, opened.signature)
    if (other !== undefined) return isIntact
    verifying.set(id, { opened, isIntact })
    return isIntact.finally(() => verifying.delete(id))
  }

  /** Verifies a message, and resolves after all earlier messages of the link. */
  function verifyInTurn(source: PeerId, id: string, opened: OpenedMessage): Promise<boolean> {
    const isIntact = verify(id, opened)
    const turn = lines.get(source)?.then(() => isIntact) ?? isIntact
    lines.set(source, turn)
    return turn
  }

  async function receive(source: PeerId, rpc: RPC.Message): Promise<ReceivedMessageResult> {
    traffic.received(source.toString(), toOutgoing(rpc).rpcBytes)
    const opened = openMessage(authors, rpc)
    if (typeof opened === 'string') return { code: MessageStatus.invalid, reason: RejectReason.Error, error: opened }
    const { msgId, topic, data } = opened
    const msgIdStr = internals.msgIdToStrFn(msgId)
    if (seenCache.has(msgIdStr)) return { code: MessageStatus.duplicate, msgIdStr }
    using counted = linkOf(source).enter(data.length)
    if (counted === undefined) return { code: MessageStatus.invalid, reason: RejectReason.Ignore, msgIdStr }
    if (!(await verifyInTurn(source, msgIdStr, opened))) {
      if (opened.author.isDisputed(opened.signature)) return { code: MessageStatus.invalid, reason: RejectReason.Ignore, msgIdStr }
      return { code: MessageStatus.invalid, reason: RejectReason.Error, error: ValidateError.InvalidSignature }
    }
    if (seenCache.has(msgIdStr)) return { code: MessageStatus.duplicate, msgIdStr }
    seenCache.put(msgIdStr, undefined)
    if (data.length >= internals.opts.idontwantMinDataSize) internals.sendIDontWants(msgId, topic, source.toString())
    const verdict = await gate.judge(toSigned(opened), counted)
    if (verdict !== 'accept') return { code: MessageStatus.invalid, reason: reasons[verdict], msgIdStr }
    return { code: MessageStatus.valid, messageId: { msgId, msgIdStr }, msg: toGossipMessage(opened) }
  }

  internals.validateReceivedMessage = receive
}

const reasons = { ignore: RejectReason.Ignore, reject: RejectReason.Reject } as const
