import { encode } from 'cborg'
import { z } from 'zod'
import { bytes } from '../lib/bytes-schema.ts'
import { decodeCbor } from '../lib/cbor.ts'
import { isMessageId, messageId, type SignedMessage, sequenceBytes } from '../model/signed-message.ts'
import { signedFields, signedMessageSchema, signedOverheadBytes } from '../model/signed-message-codec.ts'
import { topicSchema } from '../model/topic.ts'

/**
 * `/peergate/history/1.0.0`: lists the messages in a peer's log after a position (`list`), then fetches messages by id
 * (`get`). Requests and answers are CBOR. Most listed messages are not missing, so ids are short: an index into a list
 * of authors, and 8 bytes.
 */
export const historyProtocol = '/peergate/history/1.0.0'

/** Topics of a request, and ids of a `get` request. */
export const maxHistoryTopics = 100
export const maxHistoryMessages = 64
/** Total bytes of the messages of a `get` request. A single message may be larger. */
export const historyBatchBytes = 262_144

/** Messages of a page, at most. */
const maxHistoryItems = 5_000
/** CBOR items of a page: each entry is an array of five, and may have an author of its own. */
const maxPageItems = 7 * maxHistoryItems + 64
/** CBOR items of an answer to `get`: each message has at most seven fields. */
const maxMessagesItems = 16 * maxHistoryMessages + 64
const maxCursorLength = 64
const maxIdLength = 160

const requestSchema = z.discriminatedUnion('type', [
  /**
   * Messages of the topics after a position (null: from the beginning) that were first received within the last
   * `maxAgeMs`.
   */
  z.strictObject({
    type: z.literal('list'),
    topics: z.array(topicSchema).min(1).max(maxHistoryTopics),
    after: z.string().max(maxCursorLength).nullable(),
    maxAgeMs: z.int().min(0),
  }),
  /** Messages by their ids, if the asked peer has joined their topic or the requester names it. */
  z.strictObject({
    type: z.literal('get'),
    ids: z.array(z.string().max(maxIdLength)).min(1).max(maxHistoryMessages),
    topics: z.array(topicSchema).max(maxHistoryTopics).optional(),
  }),
])
export type HistoryRequest = z.infer<typeof requestSchema>

/** Whether an id can be requested. The id of a damaged row may be anything. */
export const isHistoryId = (id: string): boolean => id.length <= maxIdLength && isMessageId(id)

/** Bytes of a request, at most. */
export const historyRequestBytes = 65_536

/**
 * A listed message: index of its author, sequence number, index of its topic in the request, bytes of data, and
 * milliseconds since a gateway first received it.
 */
const itemSchema = z.tuple([z.int().min(0), bytes({ min: 8, max: 8 }), z.int().min(0), z.int().min(0), z.int().min(0)])

const listSchema = z.strictObject({
  status: z.literal('ok'),
  authors: z.array(z.string().max(maxIdLength)).max(maxHistoryItems),
  items: z.array(itemSchema).max(maxHistoryItems),
  next: z.string().max(maxCursorLength),
  caughtUp: z.boolean(),
})
const messagesSchema = z.strictObject({ status: z.literal('ok'), messages: z.array(signedMessageSchema).max(maxHistoryMessages) })
/** The peer's rate limit for history is exceeded. */
const busySchema = z.strictObject({ status: z.literal('busy'), retryAfterMs: z.int().min(0) })

/** A message in the log of a peer. */
export interface Listed {
  id: string
  topic: string
  bytes: number
  ageMs: number
}

export interface HistoryPage {
  items: Listed[]
  /** The position of the next page, and whether it is the end of the log for now. */
  next: string
  caughtUp: boolean
}

export interface Busy {
  retryAfterMs: number
}

/** Bytes of an answer at most: to `list`, and to `get` for a number of messages with the given bytes of data. */
export const historyListBytes = 393_216
export function historyMessagesBytes(messages: number, bytes: number): number {
  return bytes + messages * signedOverheadBytes + 256
}

/**
 * The cost of a page in bytes of the rate limits: for each step of the log, each row that is read, and each id, which
 * the other end looks up. Both ends count alike, so that a reader that keeps to its rate is not refused.
 */
export const historyStepBytes = 16_384
export const historyRowBytes = 64
export const historyNameBytes = 136

export const encodeHistoryRequest = (request: HistoryRequest): Uint8Array => encode(request)
export const encodeBusy = ({ retryAfterMs }: Busy): Uint8Array => encode({ status: 'busy', retryAfterMs })
export const encodeMessages = (messages: SignedMessage[]): Uint8Array => encode({ status: 'ok', messages: messages.map(signedFields) })

/** @throws Error when the bytes are not a valid request */
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

/** @throws Error when the bytes are not a valid page, or refer to unlisted authors or topics */
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

/** @throws Error when the bytes are not a valid answer */
export function decodeMessages(raw: Uint8Array): { messages: SignedMessage[] } | Busy {
  return z.union([messagesSchema, busySchema]).parse(decodeCbor(raw, { maxItems: maxMessagesItems }))
}

function given(value: string | undefined): string {
  if (value === undefined) throw new Error('a page of history refers to an author or a topic that it does not list')
  return value
}
