import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { defaultLimits } from '../../src/limits.ts'
import { parseCursor } from '../../src/model/cursor.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment, startGateway } from '../fixtures/gateway-process.ts'
import { createRandom } from '../fixtures/random.ts'
import { createRest, type Published } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** Faults that a machine or its users bring about; each test proves that the fault was there, and what held. */

/** The header of a WAL and of a frame in it (SQLite's file format, §4). */
const walHeaderBytes = 32
const frameHeaderBytes = 24
const pageBytes = 4_096

describe('a torn page in the write-ahead log', () => {
  test.each([1, 2, 3])(
    'costs what came after it, by name: the rest is there, and cursors of before are refused (seed %i)',
    async (seed) => {
      const random = createRandom(seed)
      const env = quietEnvironment(await temporaryDirectory())
      const before = await startGateway(env)
      const rest = createRest(before.url)
      const sent: Published[] = []
      for (let number = 0; number < 60; number++) sent.push(await rest.publish('orders', `message ${number}`))
      // Without a checkpoint: the WAL is what the messages are in.
      await before.end('SIGKILL')
      const wal = join(env['PEERGATE_DATA_DIR'] ?? '', 'peergate.db-wal')
      const { size } = await stat(wal)
      const frames = Math.floor((size - walHeaderBytes) / (frameHeaderBytes + pageBytes))
      expect(frames).toBeGreaterThan(60)
      const torn = Math.floor(frames / 3) + random.below(Math.floor(frames / 2))
      const file = await open(wal, 'r+')
      // Half of the page is of zeros, as when power fails in the middle of a sector's neighbours.
      await file.write(
        Buffer.alloc(pageBytes / 2),
        0,
        pageBytes / 2,
        walHeaderBytes + torn * (frameHeaderBytes + pageBytes) + frameHeaderBytes,
      )
      await file.close()

      const after = await gatewayForTest(env)
      expect(after.lines.join('\n')).toContain('starting a new epoch')
      const log = await createRest(after.url).history('topic=orders')
      expect(log.length).toBeGreaterThan(0)
      expect(log.length).toBeLessThan(sent.length)
      expect(log.map(({ id }) => id)).toEqual(sent.slice(0, log.length).map(({ id }) => id))
      const { status, body } = await createRest(after.url).call('GET', `/v1/topics/orders/messages?after=${sent[0]?.cursor}`)
      expect([status, body['code']]).toEqual([409, 'cursor_epoch_mismatch'])
      const next = await createRest(after.url).publish('orders', 'after')
      expect(parseCursor(next.cursor).epoch).not.toBe(parseCursor(sent[0]?.cursor ?? '').epoch)
    },
  )
})

test('a clock that was set back an hour at a restart: peers accept the messages, their sequence goes on, and tokens behave', async () => {
  const peer = await gatewayForTest(quietEnvironment(await temporaryDirectory()))
  await createRest(peer.url).call('PUT', '/v1/topics/orders')
  const token = 'the-token-of-the-operator'
  const env = { ...quietEnvironment(await temporaryDirectory()), PEERGATE_BOOTSTRAP: peer.multiaddrs[0] ?? '', PEERGATE_ADMIN_TOKEN: token }
  const call = async (url: string, bearer: string, method: string, path: string, body?: object) => {
    const answer = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: answer.status, body: (await answer.json()) as Record<string, string> }
  }
  const publish = (url: string, data: string) => call(url, token, 'POST', '/v1/topics/orders/messages', { data })
  const minutes = (count: number) => new Date(Date.now() + count * 60_000).toISOString()
  // In the author's order: one that a change of links held up comes behind the next.
  const received = async () => {
    const messages = await createRest(peer.url).history('topic=orders')
    return messages.toSorted((a, b) => (BigInt(a.sequence) < BigInt(b.sequence) ? -1 : 1)).map(({ data }) => data)
  }

  const before = await startGateway(env)
  const make = async (expiresAt: string) =>
    (await call(before.url, token, 'POST', '/v1/tokens', { name: 'x', actions: ['read'], expiresAt })).body['secret'] ?? ''
  const [lasting, ending] = [await make(minutes(60)), await make(minutes(0.02))]
  for (const data of ['one', 'two']) expect((await publish(before.url, data)).status).toBe(201)
  await expect.poll(received).toEqual(['one', 'two'])
  expect((await call(before.url, lasting, 'GET', '/v1/node')).status).toBe(200)
  await before.end('SIGTERM')

  const shift = fileURLToPath(new URL('../fixtures/hour-back.mjs', import.meta.url))
  const after = await gatewayForTest({ ...env, NODE_OPTIONS: `--import=${shift}` })
  // The clock is behind indeed; until it has been stable for a minute, time goes on from where it was.
  expect(after.lines.join('\n')).toContain('the clock has stepped')
  const { body: node } = await call(after.url, token, 'GET', '/v1/node')
  expect(Math.abs(Date.parse(String(node['startedAt'])) - Date.now())).toBeLessThan(600_000)
  for (const data of ['three', 'four']) expect((await publish(after.url, data)).status).toBe(201)
  await expect.poll(received).toEqual(['one', 'two', 'three', 'four'])
  // What ends by the time of the calendar ends by the time of the log, not by that of the clock.
  expect((await call(after.url, lasting, 'GET', '/v1/node')).status).toBe(200)
  await expect.poll(async () => (await call(after.url, ending, 'GET', '/v1/node')).status).toBe(401)
  expect((await call(after.url, token, 'POST', '/v1/tokens', { name: 'x', actions: ['read'], expiresAt: minutes(-90) })).status).toBe(422)
})

describe('a heap of 256 MiB under sustained overload', () => {
  test('sheds, never dies, and what it acknowledged is there', { timeout: 240_000 }, async () => {
    const env = {
      ...quietEnvironment(await temporaryDirectory()),
      NODE_OPTIONS: '--max-old-space-size=256',
      PEERGATE_MAX_EVENT_LOOP_DELAY_MS: String(defaultLimits.maxEventLoopDelayMs),
      // Arithmetic of docs/operations.md: what may be held, within what there is.
      PEERGATE_MAX_RING_BYTES: '16777216',
      PEERGATE_MAX_INBOX_BYTES: '16777216',
    }
    const gateway = await gatewayForTest(env)
    const data = 'x'.repeat(100_000)
    const [from, busyMs, slowMs] = [performance.now(), 10_000, 90_000]
    const counts = { acknowledged: 0, shed: 0 }
    const ids: string[] = []
    // More was asked for than the heap holds, and more at once than fits: the fault was there. A slow disk takes longer for it.
    const isOverloaded = () => counts.acknowledged > 500 && counts.shed > 0
    const goesOn = () => performance.now() < from + (isOverloaded() ? busyMs : slowMs)
    async function publish(client: number): Promise<void> {
      while (goesOn()) {
        const answer = await fetch(`${gateway.url}/v1/messages`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ messages: Array.from({ length: 8 }, () => ({ topic: `flood.${client % 8}`, data })) }),
        })
        const body = (await answer.json()) as { items?: Published[]; code?: string }
        if (answer.status === 201) {
          counts.acknowledged += body.items?.length ?? 0
          ids.push(body.items?.at(-1)?.id ?? '')
        } else {
          expect([429, 503]).toContain(answer.status)
          expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
          counts.shed++
        }
      }
    }
    // Readers who take nothing, and readers who take everything again and again.
    const stopped = await Promise.all(Array.from({ length: 20 }, () => openStream(gateway.url, { query: '?topic=flood.*&after=earliest' })))
    for (const { socket } of stopped) socket.pause()
    await Promise.all(Array.from({ length: 64 }, (_, client) => publish(client)))
    expect(counts.acknowledged).toBeGreaterThan(500)
    expect(counts.shed).toBeGreaterThan(0)
    expect(gateway.child.exitCode).toBeNull()
    for (const { socket } of stopped) socket.terminate()
    await expect.poll(async () => (await fetch(`${gateway.url}/v1/node`)).status).toBe(200)
    for (const id of ids.filter((_, index) => index % 20 === 0))
      await expect.poll(async () => (await fetch(`${gateway.url}/v1/messages/${id}`)).status).toBe(200)
  })
})
