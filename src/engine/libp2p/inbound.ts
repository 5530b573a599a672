import { publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { type Message, TopicValidatorResult } from '@libp2p/gossipsub'
import type { Logger } from 'pino'
import { checkSignature, type SignedMessage, sequenceBytes } from '../../model/signed-message.ts'
import type { Inbound, Verdict } from '../engine.ts'

export interface InboundLimits {
  maxMessageBytes: number
  maxInboxBytes: number
  maxTopicInboxBytes: number
  validateTimeoutMs: number
}

/** The way in for messages that gossipsub has verified: bounded, and answered in time. Any number of them are on their way at once. */
export interface InboundGate {
  judge(message: Message): Promise<TopicValidatorResult>
  /** Messages ignored because too many were waiting, or because the answer came too late. */
  readonly dropped: number
}

const results: Record<Verdict, TopicValidatorResult> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
}

/** What a waiting message costs beside its data. */
const overheadBytes = 512

export function createInboundGate(
  init: { limits: InboundLimits; peerId: string },
  components: { inbound: () => Inbound | undefined; topics: ReadonlySet<string>; log: Logger },
): InboundGate {
  const { limits, peerId } = init
  const { inbound, topics, log } = components
  /** Bytes of messages that wait for their answer, by topic and in all. */
  const waiting = new Map<string, number>()
  let total = 0
  let dropped = 0

  function fits(topic: string, cost: number): boolean {
    return total + cost <= limits.maxInboxBytes && (waiting.get(topic) ?? 0) + cost <= limits.maxTopicInboxBytes
  }

  function hold(topic: string, bytes: number): void {
    const held = (waiting.get(topic) ?? 0) + bytes
    if (held === 0) waiting.delete(topic)
    else waiting.set(topic, held)
    total += bytes
  }

  /** The answer of whoever takes messages in; the message is held until it is there, however late. */
  async function ask(message: SignedMessage): Promise<Verdict> {
    const cost = message.data.length + overheadBytes
    hold(message.topic, cost)
    try {
      return (await inbound()?.onMessage(message)) ?? 'ignore'
    } catch (err) {
      log.warn({ err }, 'a message of the network could not be judged')
      return 'ignore'
    } finally {
      hold(message.topic, -cost)
    }
  }

  function inTime(answer: Promise<Verdict>): Promise<Verdict> {
    const { promise, resolve } = Promise.withResolvers<Verdict>()
    const deadline = setTimeout(() => {
      dropped++
      resolve('ignore')
    }, limits.validateTimeoutMs)
    void answer.then(resolve).finally(() => clearTimeout(deadline))
    return promise
  }

  return {
    get dropped() {
      return dropped
    },
    async judge(message) {
      const { topic, data } = message
      if (message.type !== 'signed' || !topics.has(topic) || data.length > limits.maxMessageBytes) return TopicValidatorResult.Ignore
      if (message.from.toString() === peerId) return TopicValidatorResult.Ignore
      if (!fits(topic, data.length + overheadBytes)) {
        dropped++
        return TopicValidatorResult.Ignore
      }
      const signed = toSigned(message)
      const whole = data.length === 0 ? withAbsence(signed) : signed
      return results[await inTime(ask(whole instanceof Promise ? await whole : whole))]
    },
  }
}

function toSigned(message: Extract<Message, { type: 'signed' }>): SignedMessage {
  const inlined = message.from.publicKey !== undefined
  return {
    from: message.from.toString(),
    sequence: sequenceBytes(message.sequenceNumber),
    topic: message.topic,
    // Copied out of the frame that it came in, which may be thousands of times larger and would live as long.
    data: new Uint8Array(message.data),
    signature: new Uint8Array(message.signature),
    ...(inlined ? {} : { publicKey: publicKeyToProtobuf(message.key) }),
  }
}

/** gossipsub shows absent data as empty; the signature knows which it was. No message waits for this that need not. */
function withAbsence(message: SignedMessage): SignedMessage | Promise<SignedMessage> {
  const intact = checkSignature(message)
  const settle = (asEmpty: boolean) => (asEmpty ? message : { ...message, dataAbsent: true })
  return typeof intact === 'boolean' ? settle(intact) : intact.then(settle)
}
