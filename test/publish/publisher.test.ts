import { expect, test } from 'vitest'
import type { OwnMessage } from '../../src/engine/engine.ts'
import { IdempotencyInProgress, IdempotencyKeyReused, InvalidRequest, Overloaded, StoreUnavailable } from '../../src/errors.ts'
import type { PublishedBy } from '../../src/log/ingest.ts'
import { KeyTaken } from '../../src/model/idempotency-key.ts'
import type { Published } from '../../src/model/published.ts'
import { createPublisher, type PublishRequest } from '../../src/publish/publisher.ts'
import type { PublishedUnderKey } from '../../src/store/log-append.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'

const limits = {
  maxMessageBytes: 100,
  maxPublishMessages: 3,
  maxIdempotencyKeysPerToken: 1_000,
  maxOpenIdempotencyKeys: 8,
  clientSharePercent: 25,
}
const idempotency = { scope: 'token', key: 'one' }
const request = (data: string, more: Partial<PublishRequest> = {}): PublishRequest => ({
  messages: [{ topic: 'orders', data: Buffer.from(data) }],
  client: 'token',
  idempotency,
  ...more,
})

/** A publisher whose messages are stored when the test says so. */
function publisher(load: () => void = () => undefined, subscribers: () => string[] = () => []) {
  const asked: Array<{ messages: OwnMessage[]; key?: PublishedBy['key'] } & PromiseWithResolvers<Published[]>> = []
  const published = new Map<string, PublishedUnderKey>()
  const joined: string[] = []
  const { log } = createMemoryStore()
  const parts = createPublisher(
    { limits },
    {
      ingest: {
        publish(messages, { key }) {
          const done = Promise.withResolvers<Published[]>()
          asked.push({ messages, key, ...done })
          return { published: done.promise }
        },
        checkRoom: () => undefined,
      },
      topics: {
        async joinIfRoom(topic) {
          joined.push(topic)
        },
      },
      engine: { subscribers: async () => subscribers(), listen: () => () => undefined },
      log: { ...log, published: async (key) => published.get(key), noteRecipients: async () => undefined },
      load: { check: load },
    },
  )
  const signal = new AbortController().signal
  /** What a request answers. */
  const publish = async (asking: PublishRequest) => await (await parts.enqueue(asking, { signal })).published
  return { ...parts, publish, asked, published, joined, signal }
}

const item: Published = { id: 'id', cursor: 'memory.1', topic: 'orders', recipients: 0 }
const stored = { epoch: 'memory', items: [{ id: 'id', seq: 1, topic: 'orders', recipients: 0 }] }

test('a key that is publishing is refused until its message is stored, and then answers what it has published', async () => {
  const { enqueue, publish, asked, published, signal } = publisher()
  const first = await enqueue(request('x'), { signal })
  await expect(publish(request('x'))).rejects.toThrow(IdempotencyInProgress)
  const other = publish(request('x', { idempotency: { ...idempotency, scope: 'another token' } }))
  await expect.poll(() => asked.length).toBe(2)
  const key = asked[0]?.key
  if (key === undefined) throw new Error('there was no key')
  published.set(key.key, { fingerprint: key.fingerprint, ...stored })
  for (const each of asked) each.resolve([item])
  expect(await first.published).toEqual({ items: [item], replayed: false })
  await other
  expect(await publish(request('x'))).toEqual({ items: [item], replayed: true })
  expect(asked).toHaveLength(2)
})

test('keys that are publishing are shared by clients, and one that is done is another’s place', async () => {
  const { publish, asked } = publisher()
  const asking = (client: string, key: string) => publish(request('x', { client, idempotency: { scope: client, key } }))
  const greedy = Array.from({ length: 6 }, (_, index) => asking('greedy', `key ${index}`))
  await expect(asking('greedy', 'one more')).rejects.toThrow(Overloaded)
  const others = [asking('other', 'one'), asking('other', 'two')]
  await expect(asking('third', 'one')).rejects.toThrow(Overloaded)
  await expect.poll(() => asked.length).toBe(8)
  for (const each of asked) each.resolve([item])
  await Promise.all([...greedy, ...others])
  const later = asking('third', 'one')
  await expect.poll(() => asked.length).toBe(9)
  asked[8]?.resolve([item])
  await later
  // What has no key takes no place of theirs.
  const plain = Array.from({ length: 9 }, () => publish({ ...request('x'), idempotency: undefined }))
  await expect.poll(() => asked.length).toBe(18)
  for (const each of asked) each.resolve([item])
  await Promise.all(plain)
})

test('also while it is looked up whether the key has published, a second request is refused', async () => {
  const { publish, asked } = publisher()
  const first = publish(request('x'))
  await expect(publish(request('x'))).rejects.toThrow(IdempotencyInProgress)
  await expect.poll(() => asked.length).toBe(1)
  asked[0]?.resolve([item])
  await first
})

test('a key whose message was refused is free again, and one whose message could not be stored', async () => {
  let isOverloaded = false
  const { publish, asked } = publisher()
  const failed = publish(request('x'))
  await expect.poll(() => asked.length).toBe(1)
  asked[0]?.reject(new StoreUnavailable('no disk'))
  await expect(failed).rejects.toThrow(StoreUnavailable)
  await expect(publish(request('x', { minRecipients: 1 }))).rejects.toThrow(/0 of 1 peers/)
  const again = publish(request('x'))
  await expect.poll(() => asked.length).toBe(2)
  asked[1]?.resolve([item])
  expect((await again).replayed).toBe(false)
  const overloaded = publisher(() => {
    if (isOverloaded) throw new Overloaded('late', { retryAfterMs: 1 })
  })
  isOverloaded = true
  await expect(overloaded.publish(request('x'))).rejects.toThrow(Overloaded)
  expect(() => overloaded.check('token')).toThrow(Overloaded)
  expect(overloaded.asked).toEqual([])
})

test('a key that another gateway has used meanwhile answers what it has published there', async () => {
  const { publish, asked, published } = publisher()
  const late = publish(request('x'))
  await expect.poll(() => asked.length).toBe(1)
  const key = asked[0]?.key
  if (key === undefined) throw new Error('there was no key')
  published.set(key.key, { fingerprint: key.fingerprint, ...stored })
  asked[0]?.reject(new KeyTaken('there'))
  expect(await late).toEqual({ items: [item], replayed: true })
})

test.each<[string, Partial<PublishRequest>]>([
  ['other data', { messages: [{ topic: 'orders', data: Buffer.from('y') }] }],
  ['another topic', { messages: [{ topic: 'news', data: Buffer.from('x') }] }],
  ['a message more', { messages: [1, 2].map(() => ({ topic: 'orders', data: Buffer.from('x') })) }],
  ['the same bytes, parted elsewhere', { messages: [{ topic: 'order', data: Buffer.from('sx') }] }],
])('a key publishes the same only: %s is refused', async (_, more) => {
  const { publish, asked, published } = publisher()
  const first = publish(request('x'))
  await expect.poll(() => asked.length).toBe(1)
  const key = asked[0]?.key
  if (key === undefined) throw new Error('there was no key')
  published.set(key.key, { fingerprint: key.fingerprint, ...stored })
  asked[0]?.resolve([item])
  await first
  await expect(publish(request('x', more))).rejects.toThrow(IdempotencyKeyReused)
  expect(asked).toHaveLength(1)
})

test('each topic is joined once before anything is published, and a client that left publishes nothing', async () => {
  const { enqueue, asked, joined } = publisher()
  const leaving = new AbortController()
  const messages = ['a', 'b', 'a'].map((topic) => ({ topic, data: Buffer.from('x') }))
  const late = enqueue({ client: 'token', messages }, { signal: leaving.signal })
  leaving.abort(new Error('the client left'))
  await expect(late).rejects.toThrow(/left/)
  expect(joined).toEqual(['a', 'b'])
  expect(asked).toEqual([])
})

test('maxPublishMessages: more at once are refused', async () => {
  const { publish, asked } = publisher()
  const messages = Array.from({ length: 4 }, () => ({ topic: 'orders', data: Buffer.from('x') }))
  await expect(publish({ client: 'token', messages })).rejects.toThrow(InvalidRequest)
  expect(asked).toEqual([])
})

test('a client that leaves while the peers of its topic are counted is not waited for', async () => {
  const gone = new AbortController()
  const { enqueue, asked } = publisher(undefined, () => {
    gone.abort(new Error('left'))
    return []
  })
  const asking = request('one', { idempotency: undefined, minRecipients: 1, waitMs: 50_000 })
  await expect(enqueue(asking, { signal: gone.signal })).rejects.toThrow('left')
  expect(asked).toEqual([])
})
