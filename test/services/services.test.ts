import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Gateway } from '../../src/gateway/gateway.ts'
import { defaultLimits } from '../../src/limits.ts'
import { decodeAnswer, encodeRequest, requestProtocol } from '../../src/services/request-protocol.ts'
import type { ServerFrame } from '../../src/stream/server-frames.ts'
import { enginePair } from '../fixtures/engine-pair.ts'
import type { EngineName } from '../fixtures/gateway-process.ts'
import { holdDeadlines } from '../fixtures/held-deadlines.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createMemoryDisk, createMemoryStore } from '../fixtures/memory-store.ts'
import { createParties, createParty, linkParties, memoryNode, type Party } from '../fixtures/party.ts'
import { createRandom } from '../fixtures/random.ts'
import { createRest } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'

/** What a test of requests needs of a gateway. */
type Asking = Pick<Party, 'gateway' | 'rest' | 'peerId'>

/** Two linked gateways of an engine; in this process, and on SQLite but for the memory engine. */
async function onEngine(engine: EngineName | 'memory'): Promise<{ here: Asking; there: Asking }> {
  if (engine === 'memory') return await createParties()
  const pair = await enginePair(engine, {})
  onTestFinished(() => pair.stop())
  const asking = async (gateway: Gateway) => ({ gateway, rest: createRest(gateway.url), peerId: (await gateway.node()).peerId })
  return { here: await asking(pair.other), there: await asking(pair.subject) }
}

type Asked = Extract<ServerFrame, { type: 'request' }>
type Reply = { data?: unknown; encoding?: string; error?: string }

/** A client that serves; answers what `work` says, or nothing. */
async function serve(
  { gateway }: Pick<Party, 'gateway'>,
  service: string,
  work: (asked: Asked) => Reply | undefined | Promise<Reply | undefined>,
  concurrency = 1,
) {
  const stream = await openStream(gateway.url)
  onTestFinished(() => stream.socket.terminate())
  let handled = 0
  const asked: Asked[] = []
  stream.socket.on('message', async () => {
    for (; handled < stream.frames.length; handled++) {
      const frame = stream.frames[handled]
      if (frame?.type !== 'request') continue
      asked.push(frame)
      Promise.resolve(work(frame)).then((reply) => {
        if (reply !== undefined) stream.send({ type: 'reply', requestId: frame.requestId, ...reply })
      })
    }
  })
  stream.send({ type: 'serve', service, concurrency })
  await stream.expect('serving')
  return { stream, asked }
}

const ask = ({ rest }: Asking, to: Asking, service: string, body: object) =>
  rest.call<Record<string, unknown>>('POST', `/v1/peers/${to.peerId}/requests/${service}`, body)

describe('a request', () => {
  test('is answered by a client of the peer, which is told who asks and until when', async () => {
    const { here, there } = await createParties()
    const { asked } = await serve(there, 'echo', ({ data, encoding }) => ({ data, encoding }))
    expect(await ask(here, there, 'echo', { data: 'hello' })).toMatchObject({ status: 200, body: { data: 'hello', encoding: 'utf8' } })
    expect(await ask(here, there, 'echo', { data: '/wA=', encoding: 'base64' })).toMatchObject({
      body: { data: '/wA=', encoding: 'base64' },
    })
    expect(asked[0]).toMatchObject({ from: here.peerId, service: 'echo', data: 'hello' })
    const left = Date.parse(asked[0]?.deadline ?? '') - Date.now()
    expect(left).toBeGreaterThan(0)
    expect(left).toBeLessThanOrEqual(defaultLimits.requestMs)
  })

  test('goes between two clients of one gateway, by frames; one that asks itself is no deadlock', async () => {
    const here = await createParty({ limits: { maxPendingFrames: 1 } })
    const { stream } = await serve(here, 'double', ({ data }) => ({ data: `${data}${data}` }))
    stream.send({ type: 'request', id: 'mine', to: here.peerId, service: 'double', data: 'ab' })
    expect(await stream.expect('response')).toMatchObject({ id: 'mine', data: 'abab', encoding: 'utf8' })
  })

  test.each([
    ['nothing', { data: 'x' }, 404, 'service_not_found'],
    ['no%20name', { data: 'x' }, 400, 'invalid_request'],
    ['fails', { data: 'x' }, 422, 'service_error'],
    ['silent', { data: 'x', timeoutMs: 100 }, 504, 'request_timeout'],
    ['silent', { data: 'x', timeoutMs: 30_001 }, 400, 'invalid_request'],
  ])('to %s fails by name', async (service, body, status, code) => {
    const { here, there } = await createParties()
    await serve(there, 'fails', () => ({ error: 'no such symbol' }))
    await serve(there, 'silent', () => undefined)
    const answer = await ask(here, there, service, body)
    expect([answer.status, answer.body['code']]).toEqual([status, code])
    if (code === 'service_error') expect(answer.body['detail']).toBe('no such symbol')
  })

  test('to a peer that nobody knows fails by name', async () => {
    const here = await createParty()
    const { status, body } = await here.rest.call<{ code: string }>(
      'POST',
      `/v1/peers/${(await createMemoryIdentity()).peerId}/requests/x`,
      {
        data: '',
      },
    )
    expect([status, body.code]).toEqual([404, 'peer_not_found'])
  })

  test('whose server vanishes fails at once', async () => {
    const { here, there } = await createParties()
    const { stream } = await serve(there, 'fragile', () => {
      stream.socket.terminate()
      return undefined
    })
    const { status, body } = await ask(here, there, 'fragile', { data: 'x' })
    expect([status, body['code']]).toEqual([502, 'service_gone'])
    expect((await ask(here, there, 'fragile', { data: 'x' })).body['code']).toBe('service_not_found')
  })

  test('that its client gives up, and one whose time is over, are cancelled at the server, whose late answer is refused', async () => {
    const { here, there } = await createParties()
    const { stream, asked } = await serve(there, 'slow', () => undefined, 2)
    const gone = new AbortController()
    const given = fetch(`${here.gateway.url}/v1/peers/${there.peerId}/requests/slow`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"data":"x"}',
      signal: gone.signal,
    }).catch(() => undefined)
    await expect.poll(() => asked.length).toBe(1)
    gone.abort()
    await given
    expect(await stream.expect('cancelled')).toEqual({ type: 'cancelled', requestId: asked[0]?.requestId })
    const passDeadlines = holdDeadlines(29_999)
    const late = ask(here, there, 'slow', { data: 'x', timeoutMs: 29_999 })
    await expect.poll(() => asked.length).toBe(2)
    passDeadlines()
    expect((await late).status).toBe(504)
    await expect.poll(() => stream.frames.filter(({ type }) => type === 'cancelled').length).toBe(2)
    stream.send({ type: 'reply', id: 1, requestId: asked[1]?.requestId, data: 'late' })
    expect(await stream.expect('error')).toMatchObject({ id: 1, code: 'request_not_found' })
  })

  test('goes to the gateway of the database whose client serves, and says who asked', async () => {
    const disk = createMemoryDisk()
    const [asking, one, other] = [
      await createParty(),
      await createParty({ store: createMemoryStore(disk) }),
      await createParty({ store: createMemoryStore(disk) }),
    ]
    await linkParties(one, other)
    await linkParties(asking, one)
    const { asked } = await serve(other, 'prices', () => ({ data: '151' }))
    await expect.poll(async () => (await ask(asking, one, 'prices', { data: 'XMR' })).body['data']).toBe('151')
    expect(asked[0]?.from).toBe(asking.peerId)
    // Also what a client of the one asks at its own gateway.
    expect((await ask(one, one, 'prices', { data: 'XMR' })).body['data']).toBe('151')
  })
})

test('nobody but a gateway of the database says whom a request is from, and for how long it is worked on', async () => {
  const there = await createParty({ limits: { requestTimeoutMs: 3_000 } })
  const { asked } = await serve(there, 'prices', ({ data }) => (data === 'silence' ? undefined : { data: '151' }))
  const stranger = await memoryNode()
  await stranger.start()
  onTestFinished(() => stranger.stop())
  const options = { signal: AbortSignal.timeout(20_000), maxAnswerBytes: 10_000 }
  await stranger.dial(await there.address(), { ...options, source: 'rest' })
  const send = async (text: string, more: { from?: string } = {}) => {
    const request = { service: 'prices', data: Buffer.from(text), timeoutMs: 3_600_000, ...more }
    return decodeAnswer(await stranger.request(there.peerId, requestProtocol, encodeRequest(request), options))
  }
  // The gateway itself is no other gateway of its database, and a made-up peer is none at all.
  for (const from of [there.peerId, (await createMemoryIdentity()).peerId, stranger.peerId])
    expect(await send('forged', { from })).toEqual({ status: 'not_found', message: 'Only gateways of the same database may set "from".' })
  expect(asked).toEqual([])
  expect(await send('honest')).toMatchObject({ status: 'ok' })
  expect(asked.map(({ from, data }) => [from, data])).toEqual([[stranger.peerId, 'honest']])
  expect(await send('silence')).toMatchObject({ status: 'late' })
})

test('what another gateway of the database has passed on is not passed on again', async () => {
  const disk = createMemoryDisk()
  const [one, other] = [await createParty({ store: createMemoryStore(disk) }), await createParty({ store: createMemoryStore(disk) })]
  await linkParties(one, other)
  const { asked, stream } = await serve(one, 'prices', () => ({ data: '151' }))
  await expect.poll(async () => (await ask(other, other, 'prices', { data: 'XMR' })).body['data']).toBe('151')
  expect(asked).toHaveLength(1)
  // The other gateway believes for a moment that it is still served there; the one knows better, and asks nobody.
  stream.send({ type: 'unserve', service: 'prices' })
  await stream.expect('unserved')
  const body = encodeRequest({ service: 'prices', data: Buffer.from('XMR'), timeoutMs: 1_000, from: one.peerId })
  const options = { signal: AbortSignal.timeout(20_000), maxAnswerBytes: 10_000 }
  await serve(other, 'prices', () => ({ data: 'of the other' }))
  expect(decodeAnswer(await other.engine.request(one.peerId, requestProtocol, body, options))).toMatchObject({ status: 'not_found' })
})

describe('several that serve', () => {
  test('share the load, as many requests at a time as each takes; the rest waits', async () => {
    const { here, there } = await createParties()
    let [most, now] = [0, 0]
    const work = async () => {
      most = Math.max(most, ++now)
      await delay(10)
      now--
      return { data: 'done' }
    }
    const servers = [await serve(there, 'work', work, 2), await serve(there, 'work', work, 1)]
    const answers = await Promise.all(Array.from({ length: 60 }, () => ask(here, there, 'work', { data: 'x' })))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    expect(most).toBe(3)
    const [first = 0, second = 0] = servers.map(({ asked }) => asked.length)
    expect(first + second).toBe(60)
    expect(Math.min(first, second)).toBeGreaterThan(10)
  })

  test('are asked no more once they say so, and answer what they have', async () => {
    const here = await createParty()
    const release = Promise.withResolvers<void>()
    const { stream, asked } = await serve(here, 'work', async () => {
      await release.promise
      return { data: 'done' }
    })
    const pending = ask(here, here, 'work', { data: 'x' })
    await expect.poll(() => asked.length).toBe(1)
    stream.send({ type: 'unserve', service: 'work' })
    await stream.expect('unserved')
    expect((await ask(here, here, 'work', { data: 'x' })).body['code']).toBe('service_not_found')
    release.resolve()
    expect((await pending).status).toBe(200)
  })

  test('answer what they have when their gateway stops, and are asked nothing more', async () => {
    const { here, there } = await createParties()
    const release = Promise.withResolvers<void>()
    const { asked } = await serve(there, 'work', async ({ data }) => {
      await release.promise
      return { data: `done ${data}` }
    })
    const pending = ask(here, there, 'work', { data: 'x' })
    await expect.poll(() => asked.length).toBe(1)
    const stopping = there.gateway.stop()
    await expect.poll(async () => (await ask(here, there, 'work', { data: 'y', timeoutMs: 1_000 })).body['code']).toBe('service_not_found')
    release.resolve()
    expect(await pending).toMatchObject({ status: 200, body: { data: 'done x' } })
    await stopping
    expect(asked).toHaveLength(1)
  })

  test.each(['memory', 'custom', 'libp2p'] as const)(
    '3,000 requests, 200 at a time, to four of them that die at random: each is answered once, or fails by name (%s)',
    { timeout: 240_000 },
    async (engine) => {
      const { here, there } = await onEngine(engine)
      const random = createRandom(11)
      const answeredBy = new Map<string, number>()
      const start = () =>
        serve(
          there,
          'work',
          ({ data }) => {
            answeredBy.set(String(data), (answeredBy.get(String(data)) ?? 0) + 1)
            return { data: `done ${data}` }
          },
          60,
        )
      const servers = [await start(), await start(), await start(), await start()]
      const outcomes = new Map<string, number>()
      let next = 0
      // One after 50 requests on average, however long they take.
      let lives = random.below(100)
      let killing = Promise.resolve()
      const kill = async () => {
        const at = random.below(servers.length)
        servers[at]?.stream.socket.terminate()
        servers[at] = await start()
      }
      const stream = await openStream(here.gateway.url)
      onTestFinished(() => stream.socket.terminate())
      await Promise.all(
        Array.from({ length: 200 }, async () => {
          while (next < 3_000) {
            const data = String(next++)
            if (--lives < 0) {
              lives = random.below(100)
              killing = killing.then(kill)
            }
            const { status, body } = await ask(here, there, 'work', { data, timeoutMs: 20_000 })
            if (status === 200) expect(body['data']).toBe(`done ${data}`)
            const name = status === 200 ? 'answered' : String(body['code'])
            outcomes.set(name, (outcomes.get(name) ?? 0) + 1)
          }
        }),
      )
      await killing
      expect([...outcomes.keys()].toSorted()).toEqual(expect.arrayContaining(['answered', 'service_gone']))
      expect([...outcomes.keys()].filter((name) => !['answered', 'service_gone', 'service_not_found'].includes(name))).toEqual([])
      expect(outcomes.get('answered')).toBeGreaterThan(1_500)
      expect([...answeredBy.values()].filter((times) => times > 1)).toEqual([])
    },
  )
})

test('an answer that is larger than messages may be is refused to who gives it, who may give another', async () => {
  const { here, there } = await createParties({ limits: { maxMessageBytes: 10 } })
  const { stream, asked } = await serve(there, 'large', () => undefined)
  const pending = ask(here, there, 'large', { data: 'x' })
  await expect.poll(() => asked.length).toBe(1)
  const requestId = asked[0]?.requestId
  stream.send({ type: 'reply', id: 1, requestId, data: 'x'.repeat(11) })
  expect(await stream.expect('error')).toMatchObject({ id: 1, code: 'message_too_large' })
  stream.send({ type: 'reply', id: 2, requestId, error: 'that would be too much' })
  expect(await stream.expect('replied')).toEqual({ type: 'replied', id: 2, requestId })
  expect(await pending).toMatchObject({ status: 422, body: { detail: 'that would be too much' } })
})

test('maxRequestsToPeer: more requests to one peer wait for their turn, a bounded number of them', async () => {
  const { here, there } = await createParties({}, { limits: { maxRequestsToPeer: 2, maxServiceQueue: 1 } })
  const release = Promise.withResolvers<void>()
  const work = async ({ data }: Asked) => {
    await release.promise
    return { data }
  }
  const { asked } = await serve(there, 'work', work, 10)
  const pending = ['1', '2', '3'].map((data) => ask(here, there, 'work', { data }))
  await expect.poll(() => asked.length).toBe(2)
  await expect.poll(async () => (await ask(here, there, 'work', { data: '4', timeoutMs: 5_000 })).body['code']).toBe('service_busy')
  expect(asked).toHaveLength(2)
  release.resolve()
  expect((await Promise.all(pending)).map(({ body }) => body['data'])).toEqual(['1', '2', '3'])
})

test('maxServicesPerConnection, maxServiceQueue and maxStreamRequests bite, by name', async () => {
  const here = await createParty({ limits: { maxServicesPerConnection: 1, maxServiceQueue: 1, maxStreamRequests: 1 } })
  const release = Promise.withResolvers<void>()
  const work = async ({ data }: Asked) => {
    if (data === 'held') return undefined
    await release.promise
    return { data }
  }
  const { stream, asked } = await serve(here, 'one', work)
  stream.send({ type: 'serve', id: 'second', service: 'two' })
  expect(await stream.expect('error')).toMatchObject({ id: 'second', code: 'service_limit' })
  const requests = [1, 2, 3].map(() => ask(here, here, 'one', { data: 'x' }))
  expect((await Promise.race(requests)).body['code']).toBe('service_busy')
  await expect.poll(() => asked.length).toBe(1)
  release.resolve()
  expect((await Promise.all(requests)).map(({ status }) => status).toSorted()).toEqual([200, 200, 503])
  await using client = await openStream(here.gateway.url)
  for (const id of [1, 2]) client.send({ type: 'request', id, to: here.peerId, service: 'one', data: 'held' })
  expect(await client.expect('error')).toMatchObject({ id: 2, code: 'service_limit' })
})
