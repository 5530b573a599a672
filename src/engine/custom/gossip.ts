import type { Logger } from 'pino'
import { type Author, createAuthors, isCanonicalKey } from '../../model/authors.ts'
import { messageId, type SignedMessage, signaturePrefix } from '../../model/signed-message.ts'
import type { InboundMessage } from '../inbound-budget.ts'
import type { InboundGate } from '../inbound-gate.ts'
import type { LinkReading } from '../reading.ts'
import type { Envelope, Outcome } from './overlay/overlay.ts'
import { ProtocolViolation } from './wire/frame-stream.ts'
import { decodeMessage, encodeMessage, type WireMessage } from './wire/pubsub-message.ts'

/**
 * Messages between the wire and their verdict: decoded once, verified, and judged. Owns no link and no queue of
 * messages.
 */
export interface Gossip {
  /** Decodes a message that was read on the link, without verifying it. @throws ProtocolViolation */
  open(bytes: Buffer, link: Pick<LinkReading, 'enter'>): Envelope
  /** Encodes a message of this node or of the log. */
  seal(message: SignedMessage): Envelope
  /**
   * Verifies a message and has it judged, once for each envelope that `open` returned. Signatures are verified outside
   * the event loop; the order of the calls is kept. False when there is no room for the message; it is then not settled.
   * @throws Error when the envelope was not opened here, or was judged before
   */
  judge(envelope: Envelope): boolean
}

interface Opened {
  link: Pick<LinkReading, 'enter'>
  wire: WireMessage
  author: Author
}

export function createGossip(components: { gate: InboundGate; settle(id: string, outcome: Outcome): void; logger: Logger }): Gossip {
  const { gate, settle, logger } = components
  const authors = createAuthors()
  /** Messages between `open` and `judge`, so that each is decoded once. */
  const opened = new WeakMap<Envelope, Opened>()
  let last: Promise<void> = Promise.resolve()

  /** @throws ProtocolViolation, also when the author is not a peer */
  function decode(bytes: Buffer): Omit<Opened, 'link'> {
    const wire = decodeMessage(bytes)
    const author = authors.find(wire.from, wire.key)
    if (author === undefined || !isCanonicalKey(author, wire.key)) throw new ProtocolViolation('message whose author is not a peer')
    return { wire, author }
  }

  async function take(id: string, { wire, author }: Opened, verified: Promise<boolean>, counted: InboundMessage): Promise<void> {
    using _counted = counted
    if (!(await verified)) settle(id, 'forged')
    else void gate.judge({ from: author.peerId, ...fields(wire) }, counted).then((verdict) => settle(id, verdict))
  }

  return {
    open(bytes, link) {
      const message = { link, ...decode(bytes) }
      const envelope = { id: messageId(message.author.peerId, message.wire.sequence), topic: message.wire.topic, bytes }
      opened.set(envelope, message)
      return envelope
    },
    seal: (message) => ({ id: messageId(message.from, message.sequence), topic: message.topic, bytes: encodeMessage(message) }),
    judge(envelope) {
      const message = opened.get(envelope)
      if (message === undefined) throw new Error('the message is judged already, or was not opened here')
      opened.delete(envelope)
      const { link, wire, author } = message
      const counted = link.enter(wire.data.length)
      if (counted === undefined) return false
      const verified = author.verify(Buffer.concat([signaturePrefix, wire.signed]), wire.signature)
      last = last
        .then(() => take(envelope.id, message, verified, counted))
        .catch((err: unknown) => logger.error({ err }, 'failed to judge a message'))
      return true
    },
  }
}

function fields({ sequence, topic, data, dataAbsent, signature, key }: WireMessage): Omit<SignedMessage, 'from'> {
  return { sequence, topic, data, signature, ...(dataAbsent ? { dataAbsent } : {}), ...(key === undefined ? {} : { publicKey: key }) }
}
