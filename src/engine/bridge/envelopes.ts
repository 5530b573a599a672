import { createHash } from 'node:crypto'
import { encode } from 'cborg'
import { z } from 'zod'
import { bytes } from '../../lib/bytes-schema.ts'
import { decodeCbor } from '../../lib/cbor.ts'
import { publicKeyBytes } from '../../lib/x25519.ts'
import { openEnvelope, sealEnvelope } from '../../model/signed-envelope.ts'

/**
 * What an asker and a recipient say to each other through a bridge: libp2p signed envelopes of CBOR, so that the bridge
 * can change nothing. An answer names its question by the SHA-256 of the question's envelope.
 *
 * A question of type `ticket` asks whether the recipient is there. Its answer proves it, and has what a request needs:
 * the recipient's run (16 bytes, new with each start), its time in milliseconds since that start, and the X25519 key of
 * this run. A request names the run and the time until which it may begin, so it needs no clock that two peers share,
 * and one of an earlier run is stale.
 */
const questionKind = { domain: 'peergate-bridged', payloadType: '/peergate/bridged/1' }
const answerKind = { domain: 'peergate-bridged-answer', payloadType: '/peergate/bridged-answer/1' }

export const nonceBytes = 16
export const runBytes = 16
const hashBytes = 32
/** Bytes of an envelope beside a body or answer: key, signature, ids, tag, at most. */
export const envelopeOverheadBytes = 1_024
/** Milliseconds from the sending of a request in which it may begin at the recipient, who knows it for that long. */
export const beginMs = 30_000

const fixed = (length: number) => bytes({ min: length, max: length })
const peerId = z.string().min(1).max(128)
const millis = z.int().min(0)

const questionSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ticket'), to: peerId, nonce: fixed(nonceBytes) }),
  z.strictObject({
    type: z.literal('request'),
    to: peerId,
    nonce: fixed(nonceBytes),
    run: fixed(runBytes),
    until: millis,
    key: fixed(publicKeyBytes),
    box: bytes(),
  }),
])
export type Question = z.infer<typeof questionSchema>
export type SealedQuestion = Extract<Question, { type: 'request' }>

/**
 * `stale`: the request names another run, or its time is over. `unsupported`: the protocol is not answered.
 * `refused`: the handler rejected the request, or it is beyond a limit.
 */
const answerSchema = z.discriminatedUnion('status', [
  z.strictObject({
    status: z.literal('ticket'),
    question: fixed(hashBytes),
    run: fixed(runBytes),
    now: millis,
    key: fixed(publicKeyBytes),
  }),
  z.strictObject({ status: z.literal('answered'), question: fixed(hashBytes), box: bytes() }),
  z.strictObject({ status: z.enum(['stale', 'unsupported', 'refused']), question: fixed(hashBytes) }),
])
export type Answer = z.infer<typeof answerSchema>
type Unasked<Each> = Each extends unknown ? Omit<Each, 'question'> : never

/** The text in a box: a request of a protocol. */
const requestSchema = z.strictObject({ protocol: z.string().min(1).max(256), body: bytes() })
export type BoxedRequest = z.infer<typeof requestSchema>

const strict = { rejectDuplicateMapKeys: true }

export const encodeRequest = (request: BoxedRequest): Uint8Array => encode(request)
/** @throws Error */
export const decodeRequest = (text: Uint8Array): BoxedRequest => requestSchema.parse(decodeCbor(text, strict))

/** @param seed the 32 bytes of the asker's Ed25519 private key */
export async function sealQuestion(question: Question, seed: Uint8Array): Promise<Uint8Array> {
  return await sealEnvelope(questionKind, encode(question), seed)
}

/** @throws Error when the bytes are no question, or its signature is wrong */
export async function openQuestion(envelope: Uint8Array): Promise<Question & { from: string }> {
  const { signer, payload } = await openEnvelope(questionKind, envelope)
  return { ...questionSchema.parse(decodeCbor(payload, strict)), from: signer }
}

/** @param question the envelope of the question @param seed the 32 bytes of the recipient's Ed25519 private key */
export async function sealAnswer(answer: Unasked<Answer>, question: Uint8Array, seed: Uint8Array): Promise<Uint8Array> {
  return await sealEnvelope(answerKind, encode({ ...answer, question: hashOf(question) }), seed)
}

/** @throws Error when the bytes are not the answer that this peer has signed for this question */
export async function openAnswer(envelope: Uint8Array, { question, from }: { question: Uint8Array; from: string }): Promise<Answer> {
  const { signer, payload } = await openEnvelope(answerKind, envelope)
  if (signer !== from) throw new Error('the answer is signed by another peer')
  const answer = answerSchema.parse(decodeCbor(payload, strict))
  if (Buffer.compare(answer.question, hashOf(question)) !== 0) throw new Error('the answer is that of another question')
  return answer
}

function hashOf(envelope: Uint8Array): Uint8Array {
  return createHash('sha256').update(envelope).digest()
}
