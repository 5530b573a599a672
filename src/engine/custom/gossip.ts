import type { Logger } from 'pino'
import { type Author, createAuthors } from '../../model/authors.ts'
import { messageId, type SignedMessage, signaturePrefix } from '../../model/signed-message.ts'
import type { InboundGate } from '../inbound-gate.ts'
import { verifyingBytes } from '../reading.ts'
import type { Envelope, Outcome } from './overlay/overlay.ts'
import { ProtocolViolation } from './wire/frame-stream.ts'
import { decodeMessage, encodeMessage, type WireMessage } from './wire/pubsub-message.ts'

/** Messages between their form on the wire and their verdict. */
export interface Gossip {
  /** Takes the bytes of a message apart far enough to name it. @throws ProtocolViolation */
  open(bytes: Buffer): Envelope
  seal(message: SignedMessage): Envelope
  /**
   * Verifies a message and has it judged. Verification is done beside the event loop; the order of the calls is kept. `hold` is told how
   * many bytes are being worked on, and then that they no longer are.
   */
  judge(envelope: Envelope, hold: (bytes: number) => void): void
}

export function createGossip(components: { gate: InboundGate; settle(id: string, outcome: Outcome): void; logger: Logger }): Gossip {
  const { gate, settle, logger } = components
  const authors = createAuthors()
  let last: Promise<void> = Promise.resolve()

  function authorOf({ from }: WireMessage): Author {
    const author = authors.find(from)
    if (author === undefined) throw new ProtocolViolation('a message whose author is no peer')
    return author
  }

  async function take(id: string, from: string, wire: WireMessage, verified: Promise<boolean>): Promise<void> {
    const message = { from, ...fields(wire) }
    if (!(await verified)) settle(id, 'forged')
    else if (!gate.admits(message)) settle(id, 'ignore')
    else void gate.judge(message).then((verdict) => settle(id, verdict))
  }

  return {
    open(bytes) {
      const wire = decodeMessage(bytes)
      return { id: messageId(authorOf(wire).peerId, wire.sequence), topic: wire.topic, bytes }
    },
    seal: (message) => ({ id: messageId(message.from, message.sequence), topic: message.topic, bytes: encodeMessage(message) }),
    judge({ id, bytes }, hold) {
      const wire = decodeMessage(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
      const author = authorOf(wire)
      const verified = author.verify(Buffer.concat([signaturePrefix, wire.signed]), wire.signature)
      const cost = bytes.length + verifyingBytes
      hold(cost)
      last = last
        .then(() => take(id, author.peerId, wire, verified))
        .catch((err: unknown) => logger.error({ err }, 'a message could not be judged'))
        .finally(() => hold(-cost))
    },
  }
}

function fields({ sequence, topic, data, dataAbsent, signature }: WireMessage): Omit<SignedMessage, 'from'> {
  return { sequence, topic, data, signature, ...(dataAbsent ? { dataAbsent } : {}) }
}
