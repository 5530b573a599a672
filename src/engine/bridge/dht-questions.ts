import { encode } from 'cborg'
import { z } from 'zod'
import { bytes } from '../../lib/bytes-schema.ts'
import { decodeCbor } from '../../lib/cbor.ts'
import { maxRecordBytes } from '../../model/dht-record.ts'
import type { P2PEngine } from '../engine.ts'
import { searchSchema } from './carry.ts'

/**
 * `/peergate/bridge-dht/1.0.0`, spoken by bridges: looks up what the DHT of another network has. A request is CBOR of
 * {type: 'get', key, timeoutMs} or {type: 'providers', cid, timeoutMs}. The answer is CBOR of {record} for the record of
 * a `/peergate` key, {providers} with at most 20 of {peerId, multiaddrs}, or {}, when nothing is found in that time. A
 * bridge asks the networks that the asker is not linked in and, with `search`, the bridges there. Nothing is kept.
 */
export const bridgeDhtProtocol = '/peergate/bridge-dht/1.0.0'

export const maxProviders = 20
export const maxAddresses = 32
/** Bridges that are asked for one thing, by each that asks. */
export const maxBridges = 4
/** Milliseconds in which a bridge looks for something. */
export const lookMs = 10_000

const timeoutMs = z.int().min(1).max(60_000)
const search = searchSchema.optional()
const questionSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('get'), key: z.string().max(1_024), timeoutMs, search }),
  z.strictObject({ type: z.literal('providers'), cid: z.string().max(256), timeoutMs, search }),
])
export type Question = z.infer<typeof questionSchema>

const providerSchema = z.strictObject({
  peerId: z.string().min(1).max(128),
  multiaddrs: z.array(z.string().max(1_024)).max(maxAddresses),
})
const answerSchema = z.strictObject({
  record: bytes({ max: maxRecordBytes }).optional(),
  providers: z.array(providerSchema).max(maxProviders).optional(),
})
export type Answer = z.infer<typeof answerSchema>

const maxAnswerBytes = maxRecordBytes + maxProviders * (maxAddresses + 1) * 1_024

/** @throws Error when the bytes are not a question */
export const decodeQuestion = (raw: Uint8Array): Question => questionSchema.parse(decodeCbor(raw))

/** @throws Error when the bridge gives no answer that is one */
export async function askBridge(
  engine: Pick<P2PEngine, 'request'>,
  bridge: string,
  question: Question,
  signal: AbortSignal,
): Promise<Answer> {
  const answer = await engine.request(bridge, bridgeDhtProtocol, encode(question), { signal, maxAnswerBytes })
  return answerSchema.parse(decodeCbor(answer))
}
