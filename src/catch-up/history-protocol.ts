import { encode } from 'cborg'
import { z } from 'zod'
import { decodeCbor } from '../lib/cbor.ts'
import { messageId, type SignedMessage, sequenceBytes } from '../model/signed-message.ts'
import { signedFields, signedMessageSchema, signedOverheadBytes } from '../model/signed-message-codec.ts'
import { topicSchema } from '../model/topic.ts'

/**
 * `/peergate/history/1.0.0`: what a peer has in its log after a position, first by name, then those that are asked for; requests and answers
 * are CBOR. Ids outnumber what is missing by far, and so they go in short: the author's place in a list, and 8 bytes.
 */
export const historyProtocol = '/peergate/history/1.0.0'

/** Topics of one request, and messages asked for at once. */
export const maxHistoryTopics = 100
export const maxHistoryMessages = 64
/** Messages that are asked for at once have so many bytes together, unless it is one alone. */
export const historyBatchBytes = 262_144

/** Messages of a page: a peer answers with the step of its log that is the last to fit. */
const maxHistoryItems = 5_000
/** Of CBOR in a page: each entry is an array of five, and may have an author of its own. */
const maxPageItems = 7 * maxHistoryItems + 64
/** Of CBOR in an answer with messages, of which each has seven fields at most. */
const maxMessagesItems = 16 * maxHistoryMessages + 64
const maxCursorLength = 64
const maxIdLength = 160

const requestSchema = z.discriminatedUnion('type', [
  /** What there is of these topics after the position (null: from the beginning), first received not longer ago than `maxAgeMs`. */
  z.strictObject({
    type: z.literal('list'),
    topics: z.array(topicSchema).min(1).max(maxHistoryTopics),
    after: z.string().max(maxCursorLength).nullable(),
    maxAgeMs: z.int().min(0),
  }),
  z.strictObject({ type: z.literal('get'), ids: z.array(z.string().max(maxIdLength)).min(1).max(maxHistoryMessages) }),
])
export type HistoryRequest = z.infer<typeof requestSchema>

/** Whether an id can be asked for: what a damaged row says of its own may be anything. */
export const isMessageId = (id: string): boolean => id.length <= maxIdLength && /^[A-Za-z0-9]+\.\d+$/.test(id)

/** The longest request. */
export const historyRequestBytes = 65_536

/** A message that is there: its author's place, sequence number, its topic's place in the request, bytes of data, and milliseconds since the first gateway received it. */
const itemSchema = z.tuple([
  z.int().min(0),
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === 8),
  z.int().min(0),
  z.int().min(0),
  z.int().min(0),
])

const listSchema = z.strictObject({
  status: z.literal('ok'),
  authors: z.array(z.string().max(maxIdLength)).max(maxHistoryItems),
  items: z.array(itemSchema).max(maxHistoryItems),
  next: z.string().max(maxCursorLength),
  caughtUp: z.boolean(),
})
const messagesSchema = z.strictObject({ status: z.literal('ok'), messages: z.array(signedMessageSchema).max(maxHistoryMessages) })
/** The peer has sent as much as it sends in this time. */
const busySchema = z.strictObject({ status: z.literal('busy'), retryAfterMs: z.int().min(0) })

/** A message that a peer has. */
export interface Listed {
  id: string
  topic: string
  bytes: number
  ageMs: number
}

export interface HistoryPage {
  items: Listed[]
  /** Where to go on, and whether there is nothing after it at the moment. */
  next: string
  caughtUp: boolean
}

export interface Busy {
  retryAfterMs: number
}

/** The longest answer to `list`, and to `get` for messages of so many bytes of data. */
export const historyListBytes = 393_216
export function historyMessagesBytes(messages: number, bytes: number): number {
  return bytes + messages * signedOverheadBytes + 256
}

/**
 * What a page costs, in bytes of the rate at which history is read and given: each step of the log, each row that is looked at, and each
 * name, which the other end looks up. Both ends count the same, so that one that keeps to its rate is not told to wait.
 */
export const historyStepBytes = 16_384
export const historyRowBytes = 64
export const historyNameBytes = 136

export const encodeHistoryRequest = (request: HistoryRequest): Uint8Array => encode(request)
export const encodeBusy = ({ retryAfterMs }: Busy): Uint8Array => encode({ status: 'busy', retryAfterMs })
export const encodeMessages = (messages: SignedMessage[]): Uint8Array => encode({ status: 'ok', messages: messages.map(signedFields) })

/** @throws Error when it is none */
export function decodeHistoryRequest(raw: Uint8Array): HistoryRequest {
  return requestSchema.parse(decodeCbor(raw))
}

export function encodePage({ items, next, caughtUp }: HistoryPage, topics: string[]): Uint8Array {
  const authors = new Map<string, number>()
  const place = (author: string) => {
    const known = authors.get(author) ?? authors.size
    authors.set(author, known)
    return known
  }
  const short = items.map(({ id, topic, bytes, ageMs }) => {
    const dot = id.lastIndexOf('.')
    return [place(id.slice(0, dot)), sequenceBytes(BigInt(id.slice(dot + 1))), topics.indexOf(topic), bytes, ageMs]
  })
  return encode({ status: 'ok', authors: [...authors.keys()], items: short, next, caughtUp })
}

/** @throws Error when it is none, or speaks of what was not asked for */
export function decodePage(raw: Uint8Array, topics: string[]): HistoryPage | Busy {
  const answer = z.union([listSchema, busySchema]).parse(decodeCbor(raw, { maxItems: maxPageItems }))
  if (answer.status === 'busy') return answer
  const items = answer.items.map(([author, sequence, topic, bytes, ageMs]) => ({
    id: messageId(given(answer.authors[author]), sequence),
    topic: given(topics[topic]),
    bytes,
    ageMs,
  }))
  return { items, next: answer.next, caughtUp: answer.caughtUp }
}

/** @throws Error when it is none */
export function decodeMessages(raw: Uint8Array): { messages: SignedMessage[] } | Busy {
  return z.union([messagesSchema, busySchema]).parse(decodeCbor(raw, { maxItems: maxMessagesItems }))
}

function given(value: string | undefined): string {
  if (value === undefined) throw new Error('a page of history names what it does not list')
  return value
}
