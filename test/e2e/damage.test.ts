import { closeSync, openSync, writeSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import type { ServerFrame } from '../../src/stream/server-frames.ts'
import { openEvents } from '../fixtures/event-client.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type EngineName, quietEnvironment } from '../fixtures/gateway-process.ts'
import { runCommand } from '../fixtures/operator-command.ts'
import { postgresForTests } from '../fixtures/postgres-for-tests.ts'
import { hasPostgres } from '../fixtures/postgres-server.ts'
import { createRest } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** A disk that changes what lies on it, under gateways as their operators run them. */

const topic = 'orders'

async function start(directory: string, engine: EngineName, bootstrap: string[] = [], more: Record<string, string> = {}) {
  const env = {
    ...quietEnvironment(directory, engine),
    PEERGATE_BOOTSTRAP: bootstrap.join(','),
    PEERGATE_HISTORY_INTERVAL_MS: '1000',
    ...more,
  }
  const gateway = await gatewayForTest(env)
  return { ...gateway, rest: createRest(gateway.url), directory }
}
type Started = Awaited<ReturnType<typeof start>>

/** Where the database of a gateway lies. */
const fileOf = (directory: string) => join(directory, 'peergate.db')

/** Changes one bit of a text in the file of a gateway that does not run. */
async function flipBit(directory: string, text: string): Promise<void> {
  const bytes = await readFile(fileOf(directory))
  const at = bytes.indexOf(text)
  expect(at).toBeGreaterThan(0)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  await writeFile(fileOf(directory), bytes)
}

/** Changes it behind the back of a gateway that runs. */
function change(directory: string, id: string): void {
  using database = new DatabaseSync(fileOf(directory), { timeout: 5_000 })
  database.prepare('UPDATE "Message" SET "data" = zeroblob(length("data")) WHERE "id" = ?').run(id)
}

/** Overwrites the first page of a table in the file of a gateway that runs. */
function breakTable(directory: string, table: string): void {
  const database = new DatabaseSync(fileOf(directory), { timeout: 5_000, readOnly: true })
  const root = Number(database.prepare('SELECT "rootpage" FROM "sqlite_schema" WHERE "name" = ?').get(table)?.['rootpage'])
  database.close()
  const file = openSync(fileOf(directory), 'r+')
  writeSync(file, Buffer.alloc(4_096, 0xa5), 0, 4_096, (root - 1) * 4_096)
  closeSync(file)
}

interface Page {
  items: Array<{ id: string; cursor: string; data: string }>
  gaps?: Array<{ topic?: string; from: string; to: string; reason: string }>
}
const pageOf = ({ rest }: Started, query = '') => rest.get<Page>(`/v1/topics/${topic}/messages?after=earliest&limit=100${query}`)
const texts = async (gateway: Started) => (await pageOf(gateway)).items.map(({ data }) => data)
const numberOf = (cursor: string) => Number(cursor.split('.')[1])

/** What a subscription from the beginning is sent, until it has caught up. */
async function streamed({ url }: Started): Promise<ServerFrame[]> {
  await using client = await openStream(url, { query: `?topic=${topic}&after=earliest` })
  await client.expect('caught-up')
  return client.frames
}

async function sentAsEvents({ url }: Started): Promise<ServerFrame[]> {
  const client = await openEvents(`${url}/v1/events?topic=${topic}&after=earliest`)
  await client.until(() => client.events.some(({ event }) => event === 'caught-up'))
  client.close()
  return client.events.map(({ data }) => JSON.parse(data))
}

test.each(['custom', 'libp2p'] as const)(
  'what a disk has changed is served to nobody, and fetched from a neighbour (%s)',
  async (engine) => {
    let neighbour = await start(await temporaryDirectory(), engine)
    const directory = await temporaryDirectory()
    const first = await start(directory, engine, neighbour.multiaddrs)
    for (const { rest } of [neighbour, first]) await rest.call('PUT', `/v1/topics/${topic}`)
    const linked = async () => (await first.rest.get<{ items: unknown[] }>('/v1/peers?state=connected')).items.length
    await expect.poll(linked).toBe(1)
    const own = await first.rest.publish(topic, 'what the gateway itself has signed')
    const foreign = await neighbour.rest.publish(topic, 'what its neighbour has signed')
    await first.rest.publish(topic, 'what stays as it is')
    for (const gateway of [neighbour, first]) await expect.poll(async () => (await texts(gateway)).length).toBe(3)
    expect(await first.end('SIGTERM')).toBe(0)
    await flipBit(directory, 'what the gateway itself has signed')

    // Nobody is there whom it could ask: it remembers its neighbour, and would dial it.
    expect(await neighbour.end('SIGTERM')).toBe(0)
    const alone = await start(directory, engine)
    for (let round = 0; round < 2; round++) {
      const { items, gaps } = await pageOf(alone)
      expect(items.map(({ data }) => data).toSorted()).toEqual(['what its neighbour has signed', 'what stays as it is'])
      expect(gaps).toEqual([{ topic, from: expect.any(String), to: own.cursor, reason: 'damaged' }])
    }
    for (const frames of [await streamed(alone), await sentAsEvents(alone)]) {
      expect(frames.filter(({ type }) => type === 'gap')).toEqual([expect.objectContaining({ topic, to: own.cursor, reason: 'damaged' })])
      expect(JSON.stringify(frames)).not.toContain(own.id)
    }
    expect((await alone.rest.call('GET', `/v1/messages/${own.id}`)).status).toBe(404)
    expect(await alone.end('SIGTERM')).toBe(0)

    neighbour = await start(neighbour.directory, engine)
    const again = await start(directory, engine, neighbour.multiaddrs)
    await using follower = await openStream(again.url, { query: `?topic=${topic}&after=earliest` })
    await follower.until(() => follower.messages.some(({ id }) => id === own.id))
    // Another one, while it runs.
    change(directory, foreign.id)
    expect((await pageOf(again)).gaps?.map(({ to }) => numberOf(to)).length).toBe(2)
    await follower.until(() => follower.messages.filter(({ id }) => id === foreign.id).length === 2)
    const { items, gaps } = await pageOf(again)
    expect(items.map(({ data }) => data)).toEqual([
      'what stays as it is',
      'what the gateway itself has signed',
      'what its neighbour has signed',
    ])
    expect(Math.min(...items.slice(1).map(({ cursor }) => numberOf(cursor)))).toBeGreaterThan(
      Math.max(...(gaps ?? []).map(({ to }) => numberOf(to))),
    )
    expect((await streamed(again)).filter(({ type }) => type === 'gap')).toHaveLength(2)
    expect(await (await fetch(`${again.url}/metrics`)).text()).toContain('peergate_damaged_messages_total 1')
    await expect.poll(() => again.lines.filter((line) => line.includes('a stored message is damaged'))).toHaveLength(1)
    // Neither of them has asked the other in vain, and both have the same.
    expect((await texts(neighbour)).toSorted()).toEqual((await texts(again)).toSorted())
  },
)

test('a peer that catches up is given what is whole, and does not take the gateway for a liar', async () => {
  const directory = await temporaryDirectory()
  const rotten = await start(directory, 'custom')
  await rotten.rest.call('PUT', `/v1/topics/${topic}`)
  const published = []
  for (const data of ['one', 'two', 'three']) published.push(await rotten.rest.publish(topic, data))
  change(directory, published[1]?.id ?? '')
  const late = await start(await temporaryDirectory(), 'custom', rotten.multiaddrs, { PEERGATE_HISTORY_BEFORE_JOIN_MS: '3600000' })
  await late.rest.call('PUT', `/v1/topics/${topic}`)
  await expect.poll(() => texts(late)).toEqual(['one', 'three'])
  await rotten.rest.publish(topic, 'four')
  await expect.poll(() => texts(late)).toEqual(['one', 'three', 'four'])
  expect(late.lines.join()).not.toContain('false history')
  expect((await pageOf(rotten)).gaps).toHaveLength(1)
})

test('a check tells what is damaged, takes it out when it is asked to, and says so of broken pages', async () => {
  const directory = await temporaryDirectory()
  const gateway = await start(directory, 'custom')
  const ids: string[] = []
  for (const data of ['one', 'two', 'three']) ids.push((await gateway.rest.publish(topic, data)).id)
  const env = quietEnvironment(directory)
  const check = (...more: string[]) => runCommand('database', ['check', ...more], env)
  // While it runs.
  expect(await check()).toMatchObject({ code: 0, stdout: expect.stringContaining('no damage found') })
  await gateway.end('SIGTERM')
  change(directory, ids[1] ?? '')
  expect(await check()).toMatchObject({ code: 2, stdout: expect.stringContaining(`seq 2, of ${topic}, ${ids[1]}`) })
  expect(await check('--repair')).toMatchObject({ code: 0, stdout: expect.stringContaining('from its peers') })
  expect(await check()).toMatchObject({ code: 0, stdout: expect.stringContaining('read 2 messages') })
  const bytes = await readFile(fileOf(directory))
  bytes.fill(0xa5, 8_192)
  await writeFile(fileOf(directory), bytes)
  expect(await check('--repair')).toMatchObject({ code: 3, stdout: expect.stringContaining('restore a backup') })
})

test('pages that break while a gateway runs are told by one code: by its answers, its streams and /readyz', async () => {
  const directory = await temporaryDirectory()
  const before = await start(directory, 'custom')
  const { id } = await before.rest.publish(topic, 'one')
  await before.end('SIGTERM')
  const gateway = await start(directory, 'custom')
  const { rest, url } = gateway
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
  breakTable(directory, 'Message')
  // A write of one connection has the others read everything anew.
  await rest.call('PUT', '/v1/topics/another')

  const damaged = { status: 503, body: expect.objectContaining({ code: 'database_damaged' }) }
  const history = `/v1/topics/${topic}/messages`
  for (const path of [`${history}?after=earliest`, `${history}?order=desc`, `/v1/messages?topic=${topic}&after=earliest`]) {
    expect(await rest.call('GET', path)).toMatchObject(damaged)
  }
  expect(await rest.call('GET', `/v1/messages/${id}`)).toMatchObject(damaged)
  expect(await rest.call('POST', history, { data: 'two' })).toMatchObject(damaged)
  await using client = await openStream(url, { query: `?topic=${topic}&after=earliest` })
  expect(await client.expect('error')).toMatchObject({ code: 'database_damaged' })
  const events = await openEvents(`${url}/v1/events?topic=${topic}&after=earliest`)
  await events.until(() => events.events.some(({ event, data }) => event === 'closing' && data.includes('"database_damaged"')))
  events.close()
  const ready = await fetch(`${url}/readyz`)
  expect([ready.status, await ready.json()]).toMatchObject([503, { code: 'database_damaged' }])
  await expect.poll(() => gateway.lines.filter((line) => line.includes('pages of the database are damaged'))).toHaveLength(1)
  expect(gateway.lines.join('\n')).not.toContain('"stack"')
  // What does not need them goes on.
  expect((await rest.call('GET', '/v1/node')).status).toBe(200)
})

describe.runIf(hasPostgres)('PostgreSQL (needs it)', () => {
  const server = postgresForTests({ fsync: false })

  test('what a disk has changed is a gap, and comes back from a neighbour; a check finds it and takes it out', async () => {
    const DATABASE_URL = await server().createDatabase()
    const flip = (id: string) =>
      server().query(DATABASE_URL, `UPDATE "Message" SET "data" = set_byte("data", 0, get_byte("data", 0) # 1) WHERE "id" = $1`, [id])
    const neighbour = await start(await temporaryDirectory(), 'custom')
    const directory = await temporaryDirectory()
    const before = await start(directory, 'custom', neighbour.multiaddrs, { DATABASE_URL })
    for (const { rest } of [neighbour, before]) await rest.call('PUT', `/v1/topics/${topic}`)
    const published = []
    for (const data of ['one', 'two', 'three']) published.push(await before.rest.publish(topic, data))
    await expect.poll(async () => (await texts(neighbour)).length).toBe(3)
    expect(await before.end('SIGTERM')).toBe(0)
    // What it has in memory is as it was; what it reads from the database is not.
    const gateway = await start(directory, 'custom', neighbour.multiaddrs, { DATABASE_URL })

    const [first, second, third] = published
    await using follower = await openStream(gateway.url, { query: `?topic=${topic}` })
    await follower.expect('caught-up')
    await flip(first?.id ?? '')
    const { items, gaps } = await pageOf(gateway)
    expect(items.map(({ data }) => data)).not.toContain('nne')
    expect(gaps).toEqual([{ topic, from: expect.any(String), to: first?.cursor, reason: 'damaged' }])
    await follower.until(() => follower.messages.some(({ id }) => id === first?.id))
    expect((await streamed(gateway)).filter(({ type }) => type === 'gap')).toEqual([
      expect.objectContaining({ topic, to: first?.cursor, reason: 'damaged' }),
    ])
    const told = () => gateway.lines.filter((line) => line.includes('a stored message is damaged')).map((line) => JSON.parse(line))
    await expect.poll(told).toEqual([expect.objectContaining({ seq: 1, id: first?.id, topic })])
    expect(await (await fetch(`${gateway.url}/metrics`)).text()).toContain('peergate_damaged_messages_total 1')

    await flip(second?.id ?? '')
    const check = (...more: string[]) => runCommand('database', ['check', ...more], { ...quietEnvironment(directory), DATABASE_URL })
    expect(await check()).toMatchObject({ code: 2, stdout: expect.stringContaining(`seq 2, of ${topic}, ${second?.id}`) })
    expect(await check('--repair')).toMatchObject({ code: 0, stdout: expect.stringContaining('from its peers') })
    await follower.until(() => follower.messages.some(({ id }) => id === second?.id))
    expect(await check()).toMatchObject({ code: 0, stdout: expect.stringContaining('read 3 messages') })
    const after = await pageOf(gateway)
    expect(after.items.map(({ id, data }) => [id, data])).toEqual([
      [third?.id, 'three'],
      [first?.id, 'one'],
      [second?.id, 'two'],
    ])
    expect(after.gaps).toHaveLength(2)
  })
})
