import { publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { type Message, TopicValidatorResult } from '@libp2p/gossipsub'
import { checkSignature, type SignedMessage, sequenceBytes } from '../../model/signed-message.ts'
import type { Verdict } from '../../model/verdict.ts'
import type { InboundGate } from '../inbound-gate.ts'

const results: Record<Verdict, TopicValidatorResult> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
}

/** What gossipsub, which has verified a message, is to do with it. */
export async function judgeGossip(gate: InboundGate, message: Message): Promise<TopicValidatorResult> {
  if (message.type !== 'signed') return TopicValidatorResult.Ignore
  const { topic, data } = message
  if (!gate.admits({ from: message.from.toString(), topic, data })) return TopicValidatorResult.Ignore
  const signed = toSigned(message)
  const whole = data.length === 0 ? withAbsence(signed) : signed
  return results[await gate.judge(whole instanceof Promise ? await whole : whole)]
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
