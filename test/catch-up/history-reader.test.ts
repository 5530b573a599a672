import { decode, encode } from 'cborg'
import { expect, test } from 'vitest'
import {
  decodeHistoryRequest,
  encodeBusy,
  encodeHistoryRequest,
  encodeMessages,
  encodePage,
  type HistoryRequest,
  historyBatchBytes,
  type Listed,
  maxHistoryMessages,
  maxHistoryTopics,
} from '../../src/catch-up/history-protocol.ts'
import { createHistoryReader, FalseHistory, NoRoom, PeerBusy } from '../../src/catch-up/history-reader.ts'
import { defaultLimits } from '../../src/limits.ts'
import type { PastMessage, PastOutcome } from '../../src/log/past-intake.ts'
import { createMessageSigner, messageId, type SignedMessage } from '../../src/model/signed-message.ts'
import type { Missing } from '../../src/store/log-store.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'

const { peerId, seed } = await createMemoryIdentity()
const signer = createMessageSigner(peerId, seed)
let sequence = 0n
const sign = (text = 'x', topic = 'orders') => signer.sign(++sequence, topic, Buffer.from(text))
const entry = ({ from, sequence: number, topic, data }: SignedMessage, more: Partial<Listed> = {}): Listed => ({
  id: messageId(from, number),
  topic,
  bytes: data.length,
  ageMs: 0,
  ...more,
})

const begin = 1_800_000_000_000
const unbounded = { kept: 0, joined: 0 }

const pageOf = (item: Listed) => ({ items: [item], next: 'x.1', caughtUp: true })

interface Peer {
  list: Listed[]
  messages?: SignedMessage[]
  next?: string
  caughtUp?: boolean
  /** Milliseconds that an answer takes. */
  slow?: number
  answer?: (request: HistoryRequest) => Uint8Array | undefined
}

/** A reader and the peer it asks; what the reader takes in, and what it asked for. */
function reader(
  peer: Peer,
  init: { known?: string[]; letIn?: SignedMessage[]; limits?: Partial<typeof defaultLimits>; outcome?: PastOutcome | null } = {},
) {
  const { known = [], letIn = [], limits, outcome } = init
  const clock = { now: begin }
  const taken: PastMessage[] = []
  const asked: HistoryRequest[] = []
  const missed: string[] = []
  const expected: string[][] = []
  const requests: string[][] = []
  let ended = 0
  const parts = createHistoryReader(
    { limits: { ...defaultLimits, ...limits } },
    {
      engine: {
        peers: async () => [],
        async request(_peerId, _protocol, body) {
          const request = decodeHistoryRequest(body)
          asked.push(request)
          clock.now += peer.slow ?? 0
          const answer = peer.answer?.(request)
          if (answer !== undefined) return answer
          if (request.type === 'get') {
            const messages = (peer.messages ?? []).filter(({ from, sequence: number }) => request.ids.includes(messageId(from, number)))
            return encodeMessages(messages)
          }
          return encodePage({ items: peer.list, next: peer.next ?? 'x.1', caughtUp: peer.caughtUp ?? true }, request.topics)
        },
      },
      log: { unknown: async (ids) => ids.filter((id) => !known.includes(id)) },
      ingest: {
        order: {
          fetching(ids) {
            expected.push([...ids])
            return {
              request: (requested) => void requests.push([...requested]),
              [Symbol.dispose]: () => void ended++,
            }
          },
          missed: (ids) => void missed.push(...ids),
          holdLive: () => ({ [Symbol.dispose]: () => undefined }),
          holdPast: () => ({ [Symbol.dispose]: () => undefined }),
        },
        letIn: (ids) => ({
          messages: new Map(letIn.flatMap((message) => (ids.has(entry(message).id) ? [[entry(message).id, message] as const] : []))),
          [Symbol.dispose]: () => undefined,
        }),
        async takePast(past) {
          if (outcome === null) return undefined
          taken.push(...past)
          return outcome ?? { stored: past.length, known: 0, refused: 0 }
        },
      },
      metrics: createMetrics(),
      now: () => clock.now,
    },
  )
  const signal = AbortSignal.timeout(20_000)
  const read = (bounds: { kept: number; joined: number } = unbounded, after: string | null = null) =>
    parts.readPage({ peerId: 'peer', topics: new Map([['orders', bounds]]), after }, { signal })
  const fetchMissing = (topics: string[], missing: Missing[]) =>
    parts.fetchMissing({ peerId: 'peer', topics: new Set(topics), missing }, { signal })
  const texts = () => taken.map(({ message }) => Buffer.from(message.data).toString())
  const gets = () => asked.flatMap((request) => (request.type === 'get' ? [request.ids] : []))
  return { read, fetchMissing, taken, texts, gets, asked, missed, expected, requests, ended: () => ended }
}

test('what was let in and waits to be stored is not fetched, and taken in its place', async () => {
  const [first, second, third] = [sign('first'), sign('second'), sign('third')]
  const messages = [first, second, third]
  const { read, texts, gets, missed } = reader({ list: messages.map((each) => entry(each)), messages: [first, third] }, { letIn: [second] })
  await read()
  expect(gets()).toEqual([[entry(first).id, entry(third).id]])
  expect([texts(), missed]).toEqual([['first', 'second', 'third'], []])
  const all = reader({ list: messages.map((each) => entry(each)) }, { letIn: messages })
  await all.read()
  expect([all.gets(), all.texts()]).toEqual([[], ['first', 'second', 'third']])
})

test('what is older than is kept here is not taken, whatever the peer offers', async () => {
  const [old, young] = [sign('old'), sign('young')]
  const { read, texts, gets, taken } = reader({
    list: [entry(old, { ageMs: 1_001 }), entry(young, { ageMs: 1_000 })],
    messages: [old, young],
  })
  await read({ kept: begin - 1_000, joined: 0 })
  expect(gets()).toEqual([[entry(young).id]])
  expect(texts()).toEqual(['young'])
  expect(taken[0]?.firstSeenAt).toBe(begin - 1_000)
})

test('what is from before the topic was joined is not taken', async () => {
  const [before, after] = [sign('before'), sign('after')]
  const { read, texts } = reader({ list: [entry(before, { ageMs: 1_001 }), entry(after, { ageMs: 1_000 })], messages: [before, after] })
  await read({ kept: 0, joined: begin - 1_000 })
  expect(texts()).toEqual(['after'])
})

test('the time on the way makes a message older, and never younger', async () => {
  const [old, young] = [sign('old'), sign('young')]
  const { read, texts, taken } = reader({
    list: [entry(old, { ageMs: 501 }), entry(young, { ageMs: 500 })],
    messages: [old, young],
    slow: 10_000,
  })
  await read({ kept: begin - 500, joined: 0 })
  expect(texts()).toEqual(['young'])
  expect(taken[0]?.firstSeenAt).toBe(begin - 500)
})

test('messages over the limit are not asked for', async () => {
  const [large, small] = [sign('0123456789a'), sign('0123456789')]
  const { read, texts, gets } = reader(
    { list: [large, small].map((each) => entry(each)), messages: [large, small] },
    { limits: { maxMessageBytes: 10 } },
  )
  await read()
  expect(gets()).toEqual([[entry(small).id]])
  expect(texts()).toEqual(['0123456789'])
})

test('what is known is not fetched again, nor what is offered twice', async () => {
  const [known, unknown] = [sign('known'), sign('unknown')]
  const { read, gets } = reader(
    { list: [known, unknown, unknown].map((each) => entry(each)), messages: [known, unknown] },
    { known: [entry(known).id] },
  )
  await read()
  expect(gets()).toEqual([[entry(unknown).id]])
})

test.each<[string, (offered: SignedMessage) => SignedMessage[]]>([
  ['unsigned', (offered) => [{ ...offered, signature: new Uint8Array(64) }]],
  ['altered', (offered) => [{ ...offered, data: Buffer.from('y') }]],
  ['of another topic', (offered) => [signer.sign(BigInt(entry(offered).id.split('.').at(-1) ?? 0), 'news', Buffer.from('x'))]],
  ['not asked for', () => [sign()]],
  ['there twice', (offered) => [offered, offered]],
])('a message that is %s is false history, and nothing of its batch is taken', async (_, give) => {
  const offered = sign()
  const { read, taken } = reader({
    list: [entry(offered)],
    answer: (request) => (request.type === 'get' ? encodeMessages(give(offered)) : undefined),
  })
  await expect(read()).rejects.toThrow(FalseHistory)
  expect(taken).toEqual([])
})

test('pages that lead nowhere are false history; an end that was reached is none', async () => {
  await expect(reader({ list: [], next: 'x.7', caughtUp: false }).read(unbounded, 'x.7')).rejects.toThrow(FalseHistory)
  expect(await reader({ list: [], next: 'x.7' }).read(unbounded, 'x.7')).toMatchObject({ next: 'x.7', caughtUp: true })
  await expect(reader({ list: [], answer: () => Buffer.from('nothing') }).read()).rejects.toThrow(FalseHistory)
})

test.each<[string, (offered: Listed, topics: string[]) => Uint8Array]>([
  [
    'a topic after the last that was asked for',
    (offered, topics) => encodePage(pageOf({ ...offered, topic: 'news' }), [...topics, 'news']),
  ],
  ['an author after the last that it lists', (offered, topics) => encode({ ...decode(encodePage(pageOf(offered), topics)), authors: [] })],
])('a page that names %s is false history, and nothing of it is fetched', async (_, lie) => {
  const offered = sign()
  const { read, gets } = reader({
    list: [],
    messages: [offered],
    answer: (request) => (request.type === 'list' ? lie(entry(offered), request.topics) : undefined),
  })
  await expect(read()).rejects.toThrow(FalseHistory)
  expect(gets()).toEqual([])
})

test('a peer that is busy says when it is to be asked again, and is believed', async () => {
  const busy = encodeBusy({ retryAfterMs: 7 })
  await expect(reader({ list: [], answer: () => busy }).read()).rejects.toThrow(PeerBusy)
  const offered = sign()
  const later = reader({ list: [entry(offered)], answer: ({ type }) => (type === 'get' ? busy : undefined) })
  await expect(later.read()).rejects.toMatchObject({ name: 'PeerBusy', retryAfterMs: 7 })
})

test('a page whose messages could not be stored is to be read again', async () => {
  const offered = sign()
  await expect(reader({ list: [entry(offered)], messages: [offered] }, { outcome: null }).read()).rejects.toThrow(NoRoom)
})

test('what the peer has listed and not sent is told of, and nothing when it may still come', async () => {
  const [one, other] = [sign('one'), sign('other')]
  const { read, missed } = reader({ list: [entry(one), entry(other)], messages: [one] })
  await read()
  expect(missed).toEqual([messageId(other.from, other.sequence)])
  const full = reader({ list: [entry(one), entry(other)], messages: [one, other] }, { outcome: null })
  await expect(full.read()).rejects.toThrow()
  expect([full.missed, full.ended()]).toEqual([[], 1])
  // It is known before the others are stored, which may have to wait.
  const slow = reader({ list: [entry(one), entry(other)], messages: [one] }, { outcome: null })
  await expect(slow.read()).rejects.toThrow()
  expect(slow.missed).toEqual([messageId(other.from, other.sequence)])
})

test('a request for messages names their topics, and for damaged ones of unknown topics as many joined topics as it may', async () => {
  const message = sign()
  const { read, fetchMissing, asked } = reader({ list: [entry(message)], messages: [message] })
  await read()
  const joined = Array.from({ length: maxHistoryTopics + 1 }, (_, number) => `topic${number}`)
  const last = joined.at(-1) ?? ''
  const missing = (topic: string | undefined) => ({ seq: 1, id: entry(sign()).id, topic, firstSeenAt: begin })
  await fetchMissing(joined, [missing(last)])
  await fetchMissing(joined, [missing(undefined), missing(last)])
  await fetchMissing(joined, [missing('of which nothing is joined')])
  const named = asked.flatMap((request) => (request.type === 'get' ? [request.topics] : []))
  const most = joined.slice(0, maxHistoryTopics)
  expect(named).toEqual([['orders'], [last], [last, ...most.slice(0, -1)], most])
})

test('messages are asked for in batches, bounded in number and in bytes', async () => {
  const many = Array.from({ length: maxHistoryMessages + 1 }, () => sign())
  const byNumber = reader({ list: many.map((each) => entry(each)), messages: many })
  await byNumber.read()
  expect(byNumber.gets().map(({ length }) => length)).toEqual([maxHistoryMessages, 1])
  const large = Array.from({ length: 3 }, (_, index) => sign(String(index).repeat(historyBatchBytes / 2)))
  const byBytes = reader({ list: large.map((each) => entry(each)), messages: large })
  await byBytes.read()
  expect(byBytes.gets().map(({ length }) => length)).toEqual([2, 1])
  // Others wait for the whole page, and know what is being asked for.
  expect(byBytes.expected).toEqual([large.map((each) => entry(each).id)])
  expect([byBytes.requests, byBytes.ended()]).toEqual([byBytes.gets(), 1])
  expect(() => decodeHistoryRequest(encodeHistoryRequest({ type: 'get', ids: Array(maxHistoryMessages + 1).fill('id') }))).toThrow()
})
