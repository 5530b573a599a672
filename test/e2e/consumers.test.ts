import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type GatewayProcess, quietEnvironment, startGateway } from '../fixtures/gateway-process.ts'
import { gatewaysOnPostgres } from '../fixtures/gateways-on-postgres.ts'
import { hasPostgres } from '../fixtures/postgres-server.ts'
import { createRandom } from '../fixtures/random.ts'
import { createRest } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const postgres = gatewaysOnPostgres()

/** Creates a consumer of a log with as many messages; returns their ids. */
async function consumerOf(url: string, count: number, settings: Record<string, unknown> = {}): Promise<string[]> {
  const rest = createRest(url)
  const json = { topics: ['orders'], after: 'earliest', ackWaitMs: 2_000, backoffMs: 0, ...settings }
  await rest.call('PUT', '/v1/consumers/work', json)
  const ids: string[] = []
  for (let first = 0; first < count; first += 100) {
    const messages = Array.from({ length: Math.min(100, count - first) }, (_, index) => ({ topic: 'orders', data: `${first + index}` }))
    const { body } = await rest.call<{ items: Array<{ id: string }> }>('POST', '/v1/messages', { messages })
    ids.push(...body.items.map(({ id }) => id))
  }
  return ids
}

interface Work {
  /** Ids of the messages that the gateway has said to be settled. */
  acked: string[]
  /** All that was delivered. */
  had: string[]
}

/** Works by WebSocket until the gateway ends, or nothing comes any more: acknowledges most messages, retries some. */
async function workAt({ url }: GatewayProcess, random: { below(max: number): number }, { acked, had }: Work): Promise<void> {
  const stream = await openStream(url).catch(() => undefined)
  if (stream === undefined) return
  stream.send({ type: 'subscribe', id: 's', consumer: 'work', maxUnacked: 20 })
  stream.socket.on('message', (raw) => {
    const frame = JSON.parse(String(raw))
    if (frame.type === 'acked') acked.push(...frame.settled.map((claim: string) => claim.split('~')[0] ?? ''))
    if (frame.type !== 'message') return
    had.push(frame.message.id)
    const verdict = random.below(10) === 0 ? { verdict: 'retry' } : { id: frame.message.id }
    stream.send({ type: 'ack', consumer: 'work', claims: [frame.claim], ...verdict })
  })
  await stream.closed
}

async function stateAt(url: string) {
  return (await createRest(url).call<Record<'unacked' | 'waiting' | 'parked' | 'pending', number>>('GET', '/v1/consumers/work')).body
}

const isDone = ({ unacked, waiting, pending }: Awaited<ReturnType<typeof stateAt>>) => unacked + waiting + pending === 0

test('what was acknowledged before a kill never comes again, and all the rest does, through ten kills', async () => {
  const random = createRandom(20_261_129)
  const settings = quietEnvironment(join(await temporaryDirectory(), 'data'))
  const work: Work = { acked: [], had: [] }
  let gateway = await startGateway(settings)
  onTestFinished(async () => void (await gateway.end('SIGKILL')))
  const ids = await consumerOf(gateway.url, 3_000)
  for (let kills = 0; kills < 10; kills++) {
    const workers = [workAt(gateway, random, work), workAt(gateway, random, work)]
    const before = work.acked.length
    await expect.poll(async () => work.acked.length > before || isDone(await stateAt(gateway.url))).toBe(true)
    // A moment in the middle of the work is what this is about.
    await new Promise((resolve) => setTimeout(resolve, random.below(150)))
    const acked = new Set(work.acked)
    const had = work.had.length
    await gateway.end('SIGKILL')
    await Promise.all(workers)
    expect(work.had.slice(had).filter((id) => acked.has(id))).toEqual([])
    gateway = await startGateway(settings)
  }
  const last = [workAt(gateway, random, work), workAt(gateway, random, work)]
  await expect.poll(() => stateAt(gateway.url), { timeout: 60_000 }).toMatchObject({ unacked: 0, waiting: 0, pending: 0, parked: 0 })
  await gateway.end('SIGTERM')
  await Promise.all(last)
  expect(new Set(work.had)).toEqual(new Set(ids))
  // An answer that a kill has cut off is missing here, but its message is not delivered again.
  expect(new Set(work.acked).size).toBe(work.acked.length)
})

test('the removal of a consumer that a kill has interrupted is finished by the next start', async () => {
  const directory = join(await temporaryDirectory(), 'data')
  const settings = quietEnvironment(directory)
  let gateway = await startGateway(settings)
  onTestFinished(async () => void (await gateway.end('SIGKILL')))
  await consumerOf(gateway.url, 20)
  await createRest(gateway.url).call('POST', '/v1/consumers/work/pull', { limit: 20 })
  await gateway.end('SIGKILL')
  /** As it is after the first of the transactions of the removal: how many items there are. */
  const inDatabase = (sql: string) => {
    const database = new DatabaseSync(join(directory, 'peergate.db'))
    try {
      return database.prepare(sql).all().length
    } finally {
      database.close()
    }
  }
  expect(inDatabase('DELETE FROM "Consumer" RETURNING 1')).toBe(1)
  expect(inDatabase('SELECT 1 FROM "ConsumerItem"')).toBe(20)
  gateway = await startGateway(settings)
  await expect.poll(() => inDatabase('SELECT 1 FROM "ConsumerItem"'), { timeout: 60_000 }).toBe(0)
})

test.skipIf(!hasPostgres)('two gateways of a database share the work, and the other goes on when one is killed', async () => {
  const { one, other } = await postgres.pair()
  const ids = await consumerOf(one.url, 100, { order: 'author' })
  const pulled = await createRest(one.url).call('POST', '/v1/consumers/work/pull', { limit: 3, waitMs: 20_000 })
  expect(pulled.body).toEqual({ items: [{ message: expect.objectContaining({ id: ids[0] }), attempt: 1, claim: expect.any(String) }] })
  const work: Work = { acked: [], had: [] }
  const working = workAt(other, createRandom(1), work)
  await one.end('SIGKILL')
  // The message that the dead gateway's client has is delivered again when its time is over.
  await expect.poll(async () => isDone(await stateAt(other.url)), { timeout: 90_000 }).toBe(true)
  await other.end('SIGTERM')
  await working
  // One message of the author at a time, and those that were retried at once: each for the first time in its order.
  expect([...new Set(work.had)]).toEqual(ids)
})

test('a worker that leaves gives back at once what it has not acknowledged; a consumer that is removed ends its workers', async () => {
  const gateway = await gatewayForTest(quietEnvironment(await temporaryDirectory()))
  const ids = await consumerOf(gateway.url, 4, { ackWaitMs: 86_400_000 })
  const leaving = await openStream(gateway.url)
  leaving.send({ type: 'subscribe', id: 1, subscription: 'w', consumer: 'work', maxUnacked: 3, encoding: 'base64' })
  expect(await leaving.expect('subscribed')).toMatchObject({ id: 1, subscription: 'w', consumer: 'work' })
  await leaving.until(() => leaving.messages.length === 3)
  expect(leaving.frames).toContainEqual(
    expect.objectContaining({
      type: 'message',
      subscription: 'w',
      consumer: 'work',
      attempt: 1,
      message: expect.objectContaining({ data: 'MA==' }),
    }),
  )
  leaving.send({ type: 'ack', id: 2, consumer: 'work', ids: [ids[0]] })
  expect(await leaving.expect('acked')).toMatchObject({ id: 2, consumer: 'work', settled: [ids[0]] })
  await leaving.until(() => leaving.messages.length === 4)
  const staying = await openStream(gateway.url)
  staying.send({ type: 'subscribe', consumer: 'work' })
  await staying.expect('subscribed')
  leaving.socket.terminate()
  await staying.until(() => staying.messages.length === 3)
  expect(staying.messages.map(({ id }) => id)).toEqual(ids.slice(1))
  for (const [frame, code] of [
    [{ type: 'subscribe', id: 3, consumer: 'work', topics: ['a'] }, 'invalid_request'],
    [{ type: 'subscribe', id: 4, topics: ['a'], maxUnacked: 1 }, 'invalid_request'],
    [{ type: 'subscribe', id: 5, consumer: 'other' }, 'consumer_not_found'],
    [{ type: 'ack', id: 6, consumer: 'other', ids }, 'consumer_not_found'],
  ] as const) {
    staying.send(frame)
    expect(await staying.expect('error', ({ id }) => id === frame.id)).toMatchObject({ code })
  }
  await createRest(gateway.url).call('DELETE', '/v1/consumers/work')
  expect(await staying.expect('error', ({ id }) => id === undefined)).toMatchObject({ code: 'consumer_not_found' })
})
