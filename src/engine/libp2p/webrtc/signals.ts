import type { Stream } from '@libp2p/interface'
import { type Candidate, checkDescription, maxSignalLength, readCandidate } from '../../webrtc/session-description.ts'
import { interceptMessages } from '../intercept-messages.ts'
import { bytesField, bytesIn, numberIn, readFields, sized } from '../protobuf.ts'

/** https://github.com/libp2p/specs/blob/master/webrtc/webrtc.md */
export const signallingProtocol = '/webrtc-signaling/0.0.1'

const types = { offer: 0, answer: 1, candidate: 2 } as const

/** Field 1, a varint. */
const typeTag = 0x08

/** Maximum messages of one stream: the description, and the candidates of a host with many interfaces. */
const maxSignals = 64
/** Bytes of a message around its text: two tags, a type, and a length. */
const maxSignalBytes = maxSignalLength + 8

/**
 * Makes a signalling stream hand on only what has been checked: one description, then candidates that `onCandidate`
 * allows. Anything else aborts the stream. Must be called before the stream has a reader.
 */
export function checkSignals(
  stream: Stream,
  first: 'offer' | 'answer',
  /** Decides on a candidate; `use` hands it on. */
  onCandidate: (candidate: Candidate, use: () => void) => void,
): void {
  let waiting = Buffer.alloc(0)
  let signals = 0

  function handOn(type: number, text: string): void {
    // The type is optional in this message, so its default value is written too.
    const message = Buffer.concat([Buffer.of(typeTag, type), bytesField(2, Buffer.from(text))])
    handOnBytes(sized(message))
  }

  function take(message: Uint8Array): void {
    const fields = readFields(message)
    const type = Number(numberIn(fields, 1))
    const text = Buffer.from(bytesIn(fields, 2).at(-1) ?? []).toString()
    if (++signals > maxSignals) throw new Error(`the peer has sent more than ${maxSignals} signals`)
    if (type !== (signals === 1 ? types[first] : types.candidate)) throw new Error('the peer has sent another signal than expected')
    if (signals === 1) {
      handOn(type, checkDescription(text))
      return
    }
    const candidate = readCandidate(text)
    if (candidate !== undefined) onCandidate(candidate, () => handOn(type, candidate.text))
  }

  /** Takes the messages that are there, each behind its length. */
  function receive(bytes: Uint8Array): void {
    waiting = Buffer.concat([waiting, bytes])
    for (;;) {
      const lengthBytes = waiting.findIndex((byte) => byte < 128) + 1
      if (lengthBytes > 2 || (lengthBytes === 0 && waiting.length > 1)) throw new Error('a signal is too long')
      if (lengthBytes === 0) return
      const [low = 0, high = 0] = waiting
      const length = lengthBytes === 1 ? low : (low & 127) + high * 128
      if (length > maxSignalBytes) throw new Error('a signal is too long')
      if (waiting.length < lengthBytes + length) return
      const message = waiting.subarray(lengthBytes, lengthBytes + length)
      waiting = waiting.subarray(lengthBytes + length)
      take(message)
    }
  }

  const handOnBytes = interceptMessages(stream, receive)
}
