import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { DirectSenders } from '../../src/direct/direct-inbox.ts'
import { directProtocol, encodeBatch } from '../../src/direct/direct-protocol.ts'
import { StoreUnavailable } from '../../src/errors.ts'
import type { Limits } from '../../src/limits.ts'
import type { DeliveryView } from '../../src/model/delivery.ts'
import { directStatus } from '../../src/model/direct-status.ts'
import type { Store } from '../../src/store/store.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { createParties, createParty, memoryNode, type Party } from '../fixtures/party.ts'
import { openStream } from '../fixtures/stream-client.ts'

const quick = { firstDeliveryRetryMs: 50, lastDeliveryRetryMs: 200 }

interface PartyInit {
  limits?: Partial<Limits>
  senders?: DirectSenders
  store?: Store
}

const given = ({ limits, senders, store }: PartyInit) => ({
  limits: { ...quick, ...limits },
  ...(store && { store }),
  ...(senders && { gateway: { directSenders: senders } }),
})
const party = (init: PartyInit = {}) => createParty(given(init))
const pair = (theirs: PartyInit = {}, ours: PartyInit = {}) => createParties(given(theirs), given(ours))

async function send(from: Party, to: string, data: string, more: object = {}): Promise<DeliveryView> {
  const { status, body } = await from.rest.call<DeliveryView>('POST', `/v1/peers/${to}/messages`, { data, ...more })
  expect(status).toBe(202)
  return body
}

const state = async ({ rest }: Party, { id }: DeliveryView) => (await rest.get<DeliveryView>(`/v1/deliveries/${id}`)).state
const received = async ({ rest }: Party) => (await rest.history('kind=direct')).map(({ data }) => data)

describe('a direct message', () => {
  test('is delivered, in order, to the log and the subscribers of its recipient, and to nobody else', async () => {
    const { here, there } = await pair()
    await using stream = await openStream(there.gateway.url, { query: '?direct=true&after=earliest' })
    await using everything = await openStream(there.gateway.url, { query: '?topic=%3E&after=earliest' })
    await stream.expect('caught-up')
    const deliveries = []
    for (let number = 0; number < 20; number++) deliveries.push(await send(here, there.peerId, `message ${number}`))
    expect(deliveries[0]).toMatchObject({ to: there.peerId, state: 'queued', attempts: 0, lastError: null })
    await stream.until(() => stream.messages.length === 20)
    const expected = Array.from({ length: 20 }, (_, number) => `message ${number}`)
    expect(stream.messages.map(({ data }) => data)).toEqual(expected)
    expect(stream.messages[0]).toMatchObject({ kind: 'direct', from: here.peerId, to: there.peerId, id: deliveries[0]?.messageId })
    expect(stream.messages[0]).not.toHaveProperty('topic')
    for (const delivery of deliveries) await expect.poll(() => state(here, delivery)).toBe('delivered')
    expect(await received(there)).toEqual(expected)
    expect(everything.messages).toEqual([])
    expect(await received(here)).toEqual([])
  })

  test('to a peer that is away waits, and arrives when it is there', async () => {
    const [here, there] = [await party(), await party()]
    const delivery = await send(here, there.peerId, 'hello')
    const failed = async () => (await here.rest.get<DeliveryView>(`/v1/deliveries/${delivery.id}`)).attempts
    await expect.poll(failed).toBeGreaterThan(1)
    expect(await here.rest.get(`/v1/deliveries/${delivery.id}`)).toMatchObject({
      state: 'queued',
      lastError: 'No address of this peer is known.',
    })
    await there.rest.call('POST', '/v1/peers', { multiaddr: await here.address() })
    await expect.poll(() => state(here, delivery)).toBe('delivered')
    expect(await received(there)).toEqual(['hello'])
  })

  test('to nobody is tried again after pauses that grow, and nothing of it is logged', async () => {
    const lines: string[] = []
    const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
    const here = await createParty({ limits: { firstDeliveryRetryMs: 400, lastDeliveryRetryMs: 60_000 }, logger })
    const nobody = (await createMemoryIdentity()).peerId
    const begun = performance.now()
    const delivery = await send(here, nobody, 'x')
    const attempts = async () => (await here.rest.get<DeliveryView>(`/v1/deliveries/${delivery.id}`)).attempts
    await expect.poll(attempts).toBeGreaterThan(2)
    await delay(1_200)
    const made = await attempts()
    // Each pause is twice as long as the one before, but for a share that is random.
    expect(made).toBeLessThanOrEqual(2 + Math.log2(1 + (performance.now() - begun) / 400))
    expect(lines.filter((line) => line.includes('"level":40'))).toEqual([])
  })

  test('to a peer that hangs up on every link is tried after pauses, however often it is there', async () => {
    const here = await createParty({ limits: { firstDeliveryRetryMs: 60_000, lastDeliveryRetryMs: 60_000 } })
    const there = await memoryNode()
    await there.start()
    onTestFinished(() => there.stop())
    let asked = 0
    const refuse = async () => {
      asked++
      throw new Error('not from you')
    }
    await there.handle(directProtocol, refuse, { maxRequestBytes: 1_000_000, maxConcurrent: 10 })
    const delivery = await send(here, there.peerId, 'x')
    for (let times = 0; times < 5; times++) {
      await there.dial(await here.address(), { signal: AbortSignal.timeout(20_000), source: 'rest' })
      await expect.poll(() => asked).toBe(1)
      await there.hangUp(here.peerId)
      await expect.poll(async () => (await here.engine.peers()).length).toBe(0)
    }
    await expect.poll(async () => (await here.rest.get<DeliveryView>(`/v1/deliveries/${delivery.id}`)).lastError).toMatch(/did not answer/)
    expect(asked).toBe(1)
  })

  test('is carried on soon after the database was away', async () => {
    const store = createMemoryStore()
    const next = store.deliveries.next
    let failures = 0
    store.deliveries.next = async (query) => {
      if (failures++ === 0) throw new StoreUnavailable('The database is away.')
      return await next(query)
    }
    const { here, there } = await pair({}, { store })
    const delivery = await send(here, there.peerId, 'hello')
    await expect.poll(() => state(here, delivery)).toBe('delivered')
    expect(failures).toBeGreaterThan(1)
  })

  test('to the gateway itself arrives', async () => {
    const here = await party()
    const delivery = await send(here, here.peerId, 'to myself')
    await expect.poll(() => state(here, delivery)).toBe('delivered')
    expect(await received(here)).toEqual(['to myself'])
  })

  test('deliveryMs, maxDeliveryMs: waits as long as nobody says otherwise, and nobody may say more', async () => {
    const here = await createParty({ limits: { ...quick, deliveryMs: 5_000, maxDeliveryMs: 9_000 } })
    const nobody = (await createMemoryIdentity()).peerId
    const waits = ({ createdAt, expiresAt }: DeliveryView) => Date.parse(expiresAt) - Date.parse(createdAt)
    expect(waits(await send(here, nobody, 'x'))).toBe(5_000)
    expect(waits(await send(here, nobody, 'x', { expiresInMs: 9_000 }))).toBe(9_000)
    const { status, body } = await here.rest.call<object>('POST', `/v1/peers/${nobody}/messages`, { data: 'x', expiresInMs: 9_001 })
    expect([status, body]).toMatchObject([400, { errors: [{ path: '/expiresInMs' }] }])
  })

  test('expires, and is cancelled; what ended stays as it is', async () => {
    const here = await party()
    const nobody = (await createMemoryIdentity()).peerId
    await using stream = await openStream(here.gateway.url)
    stream.send({ type: 'subscribe', deliveries: true })
    await stream.expect('subscribed')
    const [late, unwanted] = [await send(here, nobody, 'late', { expiresInMs: 1 }), await send(here, nobody, 'unwanted')]
    const { body: cancelled } = await here.rest.call<DeliveryView>('DELETE', `/v1/deliveries/${unwanted.id}`)
    expect(cancelled.state).toBe('cancelled')
    expect((await here.rest.call<DeliveryView>('DELETE', `/v1/deliveries/${unwanted.id}`)).body).toEqual(cancelled)
    await expect.poll(() => state(here, late)).toBe('expired')
    const told = () => stream.frames.flatMap((frame) => (frame.type === 'delivery' ? [[frame.delivery.id, frame.delivery.state]] : []))
    await stream.until(() => told().length === 2)
    expect(new Map(told().map(([id, ended]) => [id, ended]))).toEqual(
      new Map([
        [unwanted.id, 'cancelled'],
        [late.id, 'expired'],
      ]),
    )
    const listed = await here.rest.get<{ items: DeliveryView[] }>(`/v1/deliveries?state=expired&to=${nobody}`)
    expect(listed.items.map(({ id }) => id)).toEqual([late.id])
  })

  test('is sent once under one idempotency key', async () => {
    const { here, there } = await pair()
    const call = async (data: string) => {
      const headers = { 'content-type': 'application/json', 'idempotency-key': 'one' }
      const answer = await fetch(`${here.gateway.url}/v1/peers/${there.peerId}/messages`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ data }),
      })
      return {
        status: answer.status,
        replayed: answer.headers.get('idempotent-replayed'),
        body: (await answer.json()) as DeliveryView & { code?: string },
      }
    }
    const [first, second] = [await call('x'), await call('x')]
    expect([second.status, second.replayed, second.body.id]).toEqual([202, 'true', first.body.id])
    expect((await call('y')).body.code).toBe('idempotency_key_reused')
    await expect.poll(() => received(there)).toEqual(['x'])
  })

  test('is sent by a frame, and its bytes arrive as they are', async () => {
    const { here, there } = await pair()
    await using stream = await openStream(here.gateway.url)
    stream.send({ type: 'send', id: 1, to: there.peerId, data: '/wA=', encoding: 'base64' })
    expect(await stream.expect('queued')).toMatchObject({ id: 1, delivery: { to: there.peerId, state: 'queued' } })
    await expect.poll(async () => (await there.rest.history('kind=direct'))[0]).toMatchObject({ data: '/wA=', encoding: 'base64' })
  })
})

describe('a recipient', () => {
  test.each<[DirectSenders, string | undefined, string]>([
    ['none', 'a friend', 'refused'],
    ['known', undefined, 'refused'],
    ['known', 'a friend', 'delivered'],
  ])('that takes the messages of %s refuses by name (label %s: %s)', async (senders, label, expected) => {
    const { here, there } = await pair({ senders })
    if (label !== undefined) await there.rest.call('PATCH', `/v1/peers/${here.peerId}`, { label })
    const delivery = await send(here, there.peerId, 'hello')
    await expect.poll(() => state(here, delivery)).toBe(expected)
    expect(await received(there)).toEqual(expected === 'delivered' ? ['hello'] : [])
  })

  test('with a lower limit refuses what is larger, and what comes behind it arrives', async () => {
    const { here, there } = await pair({ limits: { maxMessageBytes: 10 } })
    const [large, small] = [await send(here, there.peerId, 'x'.repeat(11)), await send(here, there.peerId, 'small')]
    await expect.poll(() => state(here, small)).toBe('delivered')
    expect(await here.rest.get(`/v1/deliveries/${large.id}`)).toMatchObject({
      state: 'refused',
      lastError: expect.stringMatching(/too large/),
    })
    expect(await received(there)).toEqual(['small'])
  })

  test('takes a bounded number of bytes of an author in an hour: the rest waits', async () => {
    const { here, there } = await pair({ limits: { maxDirectBytesPerHour: 12 } })
    const deliveries = [
      await send(here, there.peerId, '0123456789'),
      await send(here, there.peerId, 'abc'),
      await send(here, there.peerId, 'd'),
    ]
    await expect.poll(async () => (await here.rest.get<DeliveryView>(`/v1/deliveries/${deliveries[1]?.id}`)).attempts).toBeGreaterThan(0)
    // What fits by itself does not overtake.
    expect(await Promise.all(deliveries.map((each) => state(here, each)))).toEqual(['delivered', 'queued', 'queued'])
  })

  test('takes a bounded number of bytes of a peer in an hour, whoever is said to have written them', async () => {
    const there = await party({ limits: { maxDirectBytesPerHour: 10 } })
    const stranger = await memoryNode()
    await stranger.start()
    onTestFinished(() => stranger.stop())
    await stranger.dial(await there.address(), { signal: AbortSignal.timeout(20_000), source: 'rest' })
    const authors = await Promise.all(Array.from({ length: 5 }, () => memoryNode()))
    const envelopes = await Promise.all(authors.map((each) => each.signDirect({ to: there.peerId, data: Buffer.from('0123456789') })))
    const answer = await stranger.request(there.peerId, directProtocol, encodeBatch(envelopes), {
      signal: AbortSignal.timeout(20_000),
      maxAnswerBytes: 100,
    })
    const { kept, later } = directStatus
    expect([...answer]).toEqual([kept, kept, kept, kept, later])
  })

  test('takes nothing that is not for it, altered, or of a blocked author, and each message once', async () => {
    const { here, there } = await pair()
    const stranger = await memoryNode()
    await stranger.start()
    onTestFinished(() => stranger.stop())
    await stranger.dial(await there.address(), { signal: AbortSignal.timeout(20_000), source: 'rest' })
    const ask = (envelopes: Uint8Array[]) =>
      stranger.request(there.peerId, directProtocol, encodeBatch(envelopes), { signal: AbortSignal.timeout(20_000), maxAnswerBytes: 100 })
    const good = await stranger.signDirect({ to: there.peerId, data: Buffer.from('good') })
    const elsewhere = await stranger.signDirect({ to: here.peerId, data: Buffer.from('for another') })
    const altered = Uint8Array.from(good)
    const at = Buffer.from(altered).indexOf('good')
    altered[at] = 'G'.charCodeAt(0)
    const answer = await ask([good, elsewhere, altered, good, Buffer.from('nothing')])
    const { kept, invalid, refused } = directStatus
    expect([...answer]).toEqual([kept, invalid, invalid, kept, invalid])
    expect(await received(there)).toEqual(['good'])
    await there.rest.call('PATCH', `/v1/peers/${here.peerId}`, { blocked: true })
    const carried = await here.engine.signDirect({ to: there.peerId, data: Buffer.from('carried by another') })
    expect([...(await ask([carried]))]).toEqual([refused])
  })
})

test.each([
  ['maxQueuedDeliveries', { maxQueuedDeliveries: 2 }],
  ['maxQueuedDeliveryBytes', { maxQueuedDeliveryBytes: 1_200 }],
])('%s: a full outbox refuses, by name', async (_, limits) => {
  const here = await party({ limits })
  const nobody = (await createMemoryIdentity()).peerId
  for (let number = 0; number < 2; number++) await send(here, nobody, 'x'.repeat(300))
  const { status, body } = await here.rest.call<{ code: string }>('POST', `/v1/peers/${nobody}/messages`, { data: 'x'.repeat(300) })
  expect([status, body.code]).toEqual([503, 'outbox_full'])
})
