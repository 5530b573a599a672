/** Holds off: one client that takes all it can of what clients share; another one is still served. */
import { once } from 'node:events'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { defaultLimits } from '../../../src/limits.ts'
import { adminToken, gatewayWithTokens } from '../../access/gateway-with-tokens.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'
import { openStream } from '../../fixtures/stream-client.ts'

const limits = {
  ...defaultLimits,
  maxStreamConnections: 16,
  maxLongPolls: 16,
  maxQueuedDeliveries: 16,
  maxSubscribedTopics: 160,
  maxServices: 16,
  maxValidators: 16,
  maxRequests: 16,
  maxRequestsToPeer: 100,
  maxRequestedDials: 16,
}
/** What one of several clients has of sixteen. */
const share = 4

/** Two clients of a gateway: the second holds one of everything, so that the first is not alone. */
async function setUp() {
  const { gateway, call, tokenFor } = await gatewayWithTokens({ limits })
  const actions = ['read', 'publish', 'direct', 'serve', 'validate', 'request', 'peers']
  const tokens = { greedy: await tokenFor(actions), other: await tokenFor(actions) }
  const open = async ({ secret }: { secret: string }) => {
    const stream = await openStream(gateway.url, { headers: { authorization: `Bearer ${secret}` } })
    onTestFinished(() => stream.socket.terminate())
    return stream
  }
  return { gateway, call, tokens, open }
}

type SetUp = Awaited<ReturnType<typeof setUp>>

/** Whether a stream can be opened with the token. */
async function opens({ gateway }: SetUp, { secret }: { secret: string }): Promise<boolean> {
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/stream`, { headers: { authorization: `Bearer ${secret}` } })
  onTestFinished(() => socket.terminate())
  socket.on('error', () => undefined)
  return await Promise.race([once(socket, 'open').then(() => true), once(socket, 'unexpected-response').then(() => false)])
}

/** How many of many frames of a stream were done, and the code of what refused the others. */
async function outcome(stream: Awaited<ReturnType<typeof openStream>>, done: string, frames: Array<Record<string, unknown>>) {
  const first = stream.frames.length
  for (const [id, frame] of frames.entries()) stream.send({ ...frame, id })
  const answers = () => stream.frames.slice(first).filter(({ type }) => type === done || type === 'error')
  await stream.until(() => answers().length >= frames.length)
  const codes = new Set(answers().flatMap((frame) => (frame.type === 'error' ? frame.code : [])))
  return { done: answers().filter(({ type }) => type === done).length, codes: [...codes] }
}

const many = <Item>(count: number, make: (number: number) => Item) => Array.from({ length: count }, (_, number) => make(number))

describe('one client', () => {
  test('has its share of the stream connections', async () => {
    const all = await setUp()
    const { greedy, other } = all.tokens
    expect(await opens(all, other)).toBe(true)
    expect(await Promise.all(many(share, () => opens(all, greedy)))).not.toContain(false)
    expect(await opens(all, greedy)).toBe(false)
    expect(await Promise.all(many(share - 1, () => opens(all, other)))).not.toContain(false)
  })

  test('alone leaves a share of the stream connections to who comes', async () => {
    const all = await setUp()
    const { greedy, other } = all.tokens
    const got: boolean[] = []
    for (let count = 0; count < 16; count++) got.push(await opens(all, greedy))
    expect(got.filter(Boolean)).toHaveLength(16 - share)
    expect(await Promise.all(many(share, () => opens(all, other)))).not.toContain(false)
  })

  test('has its share of the long polls', async () => {
    const { call, tokens, gateway } = await setUp()
    await call('PUT', '/v1/topics/quiet', { token: tokens.other.secret })
    const ended: number[] = []
    const gone = new AbortController()
    const polls = many(16, () =>
      fetch(`${gateway.url}/v1/messages?topic=quiet&after=latest&waitMs=20000`, {
        headers: { authorization: `Bearer ${tokens.greedy.secret}` },
        signal: gone.signal,
      }).then(
        ({ status }) => void ended.push(status),
        () => undefined,
      ),
    )
    await expect.poll(() => ended).toEqual(many(share, () => 503))
    const path = '/v1/messages?topic=quiet&after=latest&waitMs=10'
    expect((await call('GET', path, { token: tokens.other.secret })).status).toBe(200)
    expect((await call('GET', path, { token: tokens.greedy.secret })).status).toBe(503)
    gone.abort()
    await Promise.all(polls)
  })

  test('that only reads has its share of the joined topics, by subscriptions, by events and by name', async () => {
    const { call, tokens, open } = await setUp()
    await call('PUT', '/v1/topics/theirs', { token: tokens.other.secret })
    const stream = await open(tokens.greedy)
    const subscriptions = many(40, (number) => ({ type: 'subscribe', subscription: `${number}`, topics: [`topic-${number}`] }))
    expect(await outcome(stream, 'subscribed', subscriptions)).toEqual({ done: 25, codes: ['topic_limit'] })
    const asGreedy = { token: tokens.greedy.secret }
    expect((await call('PUT', '/v1/topics/one-more', asGreedy)).body.code).toBe('topic_limit')
    expect((await call('GET', '/v1/events?topic=one-more', asGreedy)).body.code).toBe('topic_limit')
    // Publishing needs no join.
    expect((await call('POST', '/v1/topics/one-more/messages', { ...asGreedy, body: { data: 'x' } })).status).toBe(201)
    // What others have joined costs nothing.
    expect((await call('PUT', '/v1/topics/theirs', asGreedy)).status).toBe(200)
    for (let number = 0; number < 24; number++)
      expect((await call('PUT', `/v1/topics/other-${number}`, { token: tokens.other.secret })).status).toBe(201)
  })

  test('whose token is revoked gives back the topics that it has joined', async () => {
    const { call, tokens, open } = await setUp()
    const stream = await open(tokens.greedy)
    expect(await outcome(stream, 'subscribed', [{ type: 'subscribe', topics: many(75, (number) => `topic-${number}`) }])).toMatchObject({
      done: 1,
    })
    await call('PUT', '/v1/topics/topic-1', { token: tokens.other.secret })
    await call('DELETE', `/v1/tokens/${tokens.greedy.id}`, { token: adminToken })
    const joined = async () => {
      const { body } = await call('GET', '/v1/topics?limit=100', { token: adminToken })
      return body.items?.filter((topic) => topic['joined'] === true).map((topic) => topic['topic'])
    }
    await expect.poll(joined).toEqual(['topic-1'])
  })

  test('has its share of what subscriptions name', async () => {
    const { tokens, open } = await setUp()
    const patterns = (of: string) => ({ type: 'subscribe', subscription: of, topics: many(10, (number) => `${of}-${number}.*`) })
    const other = await open(tokens.other)
    expect(await outcome(other, 'subscribed', [patterns('x')])).toEqual({ done: 1, codes: [] })
    const streams = [await open(tokens.greedy), await open(tokens.greedy)]
    const done: number[] = []
    for (const stream of streams)
      done.push(
        (
          await outcome(
            stream,
            'subscribed',
            many(5, (number) => patterns(`${number}`)),
          )
        ).done,
      )
    expect(done).toEqual([3, 0])
    expect(await outcome(other, 'subscribed', [patterns('y')])).toEqual({ done: 1, codes: [] })
  })

  test('has its share of the direct messages that wait, over the stream and by REST', async () => {
    const { call, tokens, open } = await setUp()
    const { peerId: to } = await createMemoryIdentity()
    const send = (token: string) => call('POST', `/v1/peers/${to}/messages`, { token, body: { data: 'x' } })
    expect((await send(tokens.other.secret)).status).toBe(202)
    const frames = many(10, () => ({ type: 'send', to, data: 'x' }))
    expect(await outcome(await open(tokens.greedy), 'queued', frames)).toEqual({ done: share, codes: ['outbox_full'] })
    expect((await send(tokens.greedy.secret)).body.code).toBe('outbox_full')
    for (let count = 1; count < share; count++) expect((await send(tokens.other.secret)).status).toBe(202)
  })

  test('has its share of the services, the validators and the requests', async () => {
    const { tokens, open, gateway } = await setUp()
    const { peerId: to } = await gateway.node()
    const other = await open(tokens.other)
    expect(await outcome(other, 'serving', [{ type: 'serve', service: 'silent', concurrency: 100 }])).toMatchObject({ done: 1 })
    expect(await outcome(other, 'validating', [{ type: 'validate', topic: 'theirs' }])).toMatchObject({ done: 1 })
    const greedy = await open(tokens.greedy)
    const served = many(10, (number) => ({ type: 'serve', service: `service-${number}` }))
    expect(await outcome(greedy, 'serving', served)).toEqual({ done: share, codes: ['service_limit'] })
    const judged = many(10, (number) => ({ type: 'validate', topic: `topic-${number}` }))
    expect(await outcome(greedy, 'validating', judged)).toEqual({ done: share, codes: ['validator_limit'] })

    other.send({ type: 'request', id: 'first', to, service: 'silent', data: 'x' })
    await other.expect('request')
    for (let id = 0; id < 10; id++) greedy.send({ type: 'request', id, to, service: 'silent', data: 'x' })
    const busy = () => greedy.frames.filter((frame) => frame.type === 'error' && frame.code === 'service_busy')
    await greedy.until(() => busy().length === 10 - share)
    other.send({ type: 'request', id: 'second', to, service: 'silent', data: 'x' })
    await other.until(() => other.frames.filter(({ type }) => type === 'request').length === 2 + share)
  })
})
