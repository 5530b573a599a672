import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseCursor } from '../../src/model/cursor.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type GatewayProcess, quietEnvironment, StartFailed, startGateway } from '../fixtures/gateway-process.ts'
import { environment, gatewaysOnPostgres } from '../fixtures/gateways-on-postgres.ts'
import { hasPostgres } from '../fixtures/postgres-server.ts'
import { createRest, type Rest } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** Several gateways, in processes of their own, on one PostgreSQL database. */

const { server, pair, sharedPair } = gatewaysOnPostgres()
const operatorToken = 'the-token-of-the-operator'

describe.skipIf(!hasPostgres)('two gateways on one database (needs PostgreSQL)', () => {
  const open = sharedPair()
  const secured = sharedPair({ PEERGATE_ADMIN_TOKEN: operatorToken })

  test('are one service: what one publishes the other serves, at the same cursor', async () => {
    const { one, other } = await open()
    const [here, there] = [createRest(one.url), createRest(other.url)]
    await using stream = await openStream(other.url, { query: '?topic=served&after=earliest' })
    await stream.expect('caught-up')
    const sent = await here.publish('served', 'from one')
    const answered = await there.publish('served', 'from the other')
    await stream.until(() => stream.messages.length === 2)
    expect(stream.messages.map(({ id, cursor }) => [id, cursor])).toEqual([sent, answered].map(({ id, cursor }) => [id, cursor]))
    expect(stream.messages.map(({ from }) => from)).toEqual([one.peerId, other.peerId])
    for (const rest of [here, there]) {
      const page = await rest.get<{ items: Array<{ id: string }> }>(`/v1/topics/served/messages?after=${sent.cursor}`)
      expect(page.items.map(({ id }) => id)).toEqual([answered.id])
    }
    const nodes = async () => (await here.get<{ items: Array<{ peerId: string; state: string }> }>('/v1/nodes')).items
    const ready = [one, other].map(({ peerId }) => [peerId, 'ready']).toSorted()
    await expect.poll(async () => (await nodes()).map(({ peerId, state }) => [peerId, state])).toEqual(ready)
  })

  test('share topics, blocks and labels', async () => {
    const { one, other } = await pair()
    const [here, there] = [createRest(one.url), createRest(other.url)]
    const isJoined = async (rest: Rest) => (await rest.call<{ joined?: boolean }>('GET', '/v1/topics/news')).body.joined
    await here.call('PUT', '/v1/topics/news')
    await expect.poll(async () => (await there.get<{ counts: { topics: number } }>('/v1/node')).counts.topics).toBe(1)
    await expect.poll(() => isJoined(there)).toBe(true)
    await there.call('DELETE', '/v1/topics/news')
    await expect.poll(async () => (await here.get<{ counts: { topics: number } }>('/v1/node')).counts.topics).toBe(0)

    const stranger = await gatewayForTest(quietEnvironment(await temporaryDirectory()))
    await here.call('PATCH', `/v1/peers/${stranger.peerId}`, { blocked: true, label: 'not this one' })
    const dialled = async () => (await there.call<{ code: string }>('POST', '/v1/peers', { multiaddr: stranger.multiaddrs[0] })).body.code
    await expect.poll(dialled).toBe('peer_blocked')
    await there.call('PATCH', `/v1/peers/${stranger.peerId}`, { blocked: false })
    const dialledHere = async () => (await here.call('POST', '/v1/peers', { multiaddr: stranger.multiaddrs[0] })).status
    await expect.poll(dialledHere).toBe(201)
    expect(await here.get(`/v1/peers/${stranger.peerId}`)).toMatchObject({ label: 'not this one' })
  })

  test('store a message of the network once, and both forward it', async () => {
    const { one, other } = await open()
    const author = await gatewayForTest(quietEnvironment(await temporaryDirectory()))
    // A chain: the author knows only one of them, and the last node only the other.
    const last = await gatewayForTest(quietEnvironment(await temporaryDirectory()))
    const rests = [one, other, author, last].map(({ url }) => createRest(url))
    for (const rest of rests) await rest.call('PUT', '/v1/topics/forwarded')
    const [here, there, from, to] = rests
    await from?.call('POST', '/v1/peers', { multiaddr: one.multiaddrs[0] })
    await here?.call('POST', '/v1/peers', { multiaddr: other.multiaddrs[0] })
    await there?.call('POST', '/v1/peers', { multiaddr: last.multiaddrs[0] })
    const subscribers = async (rest?: Rest) => (await rest?.get<{ subscribers: number }>('/v1/topics/forwarded'))?.subscribers ?? 0
    await expect.poll(() => subscribers(to)).toBeGreaterThan(0)
    await expect.poll(() => subscribers(from)).toBeGreaterThan(0)
    const sent: string[] = []
    for (let number = 0; number < 50; number++) sent.push((await from?.publish('forwarded', `message ${number}`))?.id ?? '')
    await expect.poll(async () => (await to?.history('topic=forwarded'))?.length).toBe(sent.length)
    const log = (await here?.history('topic=forwarded')) ?? []
    expect(log.map(({ id }) => id).toSorted()).toEqual(sent.toSorted())
  })

  test('publish once under one idempotency key, at whichever of them it comes, and at both at once', async () => {
    const { one, other } = await open()
    const publish = async (url: string, key: string, data: string) => {
      const headers = { 'content-type': 'application/json', 'idempotency-key': key }
      const answer = await fetch(`${url}/v1/topics/published-once/messages`, { method: 'POST', headers, body: JSON.stringify({ data }) })
      return {
        status: answer.status,
        replayed: answer.headers.get('idempotent-replayed'),
        body: (await answer.json()) as { id?: string; code?: string },
      }
    }
    const first = await publish(one.url, 'one', 'x')
    const second = await publish(other.url, 'one', 'x')
    expect([second.status, second.replayed, second.body.id]).toEqual([201, 'true', first.body.id])
    expect((await publish(other.url, 'one', 'y')).body.code).toBe('idempotency_key_reused')
    for (let round = 0; round < 30; round++) {
      const answers = await Promise.all([one, other].map(({ url }) => publish(url, `round-${round}`, 'x')))
      expect(answers.map(({ status }) => status)).toEqual([201, 201])
      expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1)
      expect(answers.filter(({ replayed }) => replayed === 'true')).toHaveLength(1)
    }
    expect(await createRest(one.url).history('topic=published-once')).toHaveLength(31)
  })

  test('share tokens: one that is revoked at one is refused at the other, and its streams there are closed', async () => {
    const { one, other } = await secured()
    const call = async (gateway: GatewayProcess, method: string, path: string, bearer: string, body?: object) =>
      await fetch(gateway.url + path, {
        method,
        headers: { authorization: `Bearer ${bearer}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    const made = (await (await call(one, 'POST', '/v1/tokens', operatorToken, { name: 'x', actions: ['read'] })).json()) as {
      id: string
      secret: string
    }
    expect((await call(other, 'GET', '/v1/node', made.secret)).status).toBe(200)
    const stream = await openStream(other.url, { headers: { authorization: `Bearer ${made.secret}` } })
    expect((await call(one, 'DELETE', `/v1/tokens/${made.id}`, operatorToken)).status).toBe(204)
    expect(await stream.closed).toBe(4503)
    expect((await call(other, 'GET', '/v1/node', made.secret)).status).toBe(401)
  })

  test('share sessions: one that was opened at one holds at the other, and ends there, with its streams, by itself or with its token', async () => {
    const { one, other } = await secured()
    const call = async (gateway: GatewayProcess, method: string, path: string, headers: Record<string, string>, body?: object) =>
      await fetch(gateway.url + path, {
        method,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` })
    const openSession = async (secret: string) => {
      const [cookie = ''] = (await call(one, 'POST', '/v1/session', bearer(secret))).headers.getSetCookie()
      return { cookie: cookie.split(';')[0] ?? '', 'sec-fetch-site': 'same-origin' }
    }
    const made: { id: string; secret: string } = Object(
      await (await call(one, 'POST', '/v1/tokens', bearer(operatorToken), { name: 'x', actions: ['read'] })).json(),
    )
    const sessions = [await openSession(made.secret), await openSession(made.secret), await openSession(operatorToken)]
    const statuses = async () => await Promise.all(sessions.map(async (headers) => (await call(other, 'GET', '/v1/node', headers)).status))
    expect(await statuses()).toEqual([200, 200, 200])
    const streams = await Promise.all(sessions.map((headers) => openStream(other.url, { headers })))
    expect((await call(one, 'DELETE', '/v1/session', { ...sessions[0] })).status).toBe(204)
    expect(await streams[0]?.closed).toBe(4503)
    expect(await statuses()).toEqual([401, 200, 200])
    expect((await call(one, 'DELETE', `/v1/tokens/${made.id}`, bearer(operatorToken))).status).toBe(204)
    expect(await streams[1]?.closed).toBe(4503)
    expect(await statuses()).toEqual([401, 401, 200])
    await streams[2]?.[Symbol.asyncDispose]()
  })

  test('carry direct messages of each other, and serve as one', async () => {
    const { one, other } = await open()
    const peer = await gatewayForTest(quietEnvironment(await temporaryDirectory()))
    const [here, there, away] = [one, other, peer].map(({ url }) => createRest(url))
    // What one has accepted another one may carry, and what any of them receives is in the log of all.
    const sent = await here?.call<{ id: string }>('POST', `/v1/peers/${peer.peerId}/messages`, { data: 'to the peer' })
    await there?.call('POST', '/v1/peers', { multiaddr: peer.multiaddrs[0] })
    const delivery = async () => (await there?.get<{ state: string }>(`/v1/deliveries/${sent?.body.id}`))?.state
    await expect.poll(delivery).toBe('delivered')
    expect((await away?.history('kind=direct'))?.map(({ data, from }) => [data, from])).toEqual([['to the peer', one.peerId]])
    await away?.call('POST', `/v1/peers/${other.peerId}/messages`, { data: 'from the peer' })
    await expect
      .poll(async () => (await here?.history(`kind=direct&to=${other.peerId}`))?.map(({ data }) => data))
      .toEqual(['from the peer'])

    await using server = await openStream(other.url)
    server.send({ type: 'serve', service: 'prices' })
    await server.expect('serving')
    await away?.call('POST', '/v1/peers', { multiaddr: one.multiaddrs[0] })
    const asked = server.expect('request')
    const answered = away?.call<{ data: string }>('POST', `/v1/peers/${one.peerId}/requests/prices`, { data: 'XMR' })
    const { requestId, from } = await asked
    expect(from).toBe(peer.peerId)
    server.send({ type: 'reply', requestId, data: '151' })
    expect((await answered)?.body).toMatchObject({ data: '151' })
  })

  test.each(['custom', 'libp2p'] as const)(
    'have what reaches one judged by a client of the other, and miss nothing of what was published while both were away (%s)',
    { timeout: 120_000 },
    async (engine) => {
      const { one, other } = await pair(engine)
      const start = async () => await gatewayForTest(quietEnvironment(await temporaryDirectory(), engine))
      const [outside, witness] = [await start(), await start()]
      const [here, there, author, third] = [one, other, outside, witness].map(({ url }) => createRest(url))
      const stored = async (rest?: Rest) => (await rest?.history('topic=orders'))?.map(({ data }) => data)
      const link = async (rest: Rest | undefined, to: GatewayProcess) => {
        await rest?.call('POST', '/v1/peers', { multiaddr: to.multiaddrs[0] })
        const subscribers = async () => (await rest?.get<{ subscribers: number }>('/v1/topics/orders'))?.subscribers ?? 0
        await expect.poll(subscribers).toBeGreaterThan(0)
      }
      for (const rest of [here, author, third]) await rest?.call('PUT', '/v1/topics/orders')
      await link(author, witness)
      await using moderator = await openStream(other.url)
      let handled = 0
      moderator.socket.on('message', () => {
        for (; handled < moderator.frames.length; handled++) {
          const frame = moderator.frames[handled]
          if (frame?.type !== 'validation') continue
          const verdict = String(frame.message.data).startsWith('bad') ? 'ignore' : 'accept'
          moderator.send({ type: 'verdict', validationId: frame.validationId, verdict })
        }
      })
      moderator.send({ type: 'validate', topic: 'orders', deadlineMs: 2_000 })
      await moderator.expect('validating')
      await link(here, outside)
      for (const data of ['bad', 'good']) await author?.publish('orders', data)
      await expect.poll(() => stored(there)).toEqual(['good'])

      await here?.call('DELETE', `/v1/peers/${outside.peerId}`)
      for (const data of ['bad, missed', 'missed']) await author?.publish('orders', data)
      await expect.poll(() => stored(third)).toEqual(['bad', 'good', 'bad, missed', 'missed'])
      await there?.call('POST', '/v1/peers', { multiaddr: outside.multiaddrs[0] })
      await expect.poll(() => stored(here)).toEqual(['good', 'missed'])
    },
  )

  test('do not share a key', async () => {
    const url = await server().createDatabase()
    const env = await environment(url)
    const one = await gatewayForTest(env)
    // The same key in another place, so that only the database can tell.
    const copy = { ...(await environment(url)), PEERGATE_KEY_FILE: join(await temporaryDirectory(), 'peer.key') }
    await copyFile(join(env['PEERGATE_DATA_DIR'] ?? '', 'peer.key'), copy['PEERGATE_KEY_FILE'] ?? '')
    const refused = await startGateway(copy).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(StartFailed)
    expect(String(refused)).toContain('identity_in_use')
    await one.end('SIGKILL')
    const freed = await gatewayForTest(copy)
    expect(freed.peerId).toBe(one.peerId)
  })
})

test.skipIf(!hasPostgres)(
  'a database that was restored from an older copy is another log, and cursors of before are refused by name',
  async () => {
    const url = await server().createDatabase()
    const env = await environment(url)
    const before = await startGateway(env)
    const first = await createRest(before.url).publish('orders', 'kept')
    await before.end('SIGTERM')
    const copy = await server().createDatabase(url)
    const again = await startGateway(env)
    const lost = await createRest(again.url).publish('orders', 'lost')
    await again.end('SIGTERM')
    const restored = await gatewayForTest({ ...env, DATABASE_URL: copy })
    const rest = createRest(restored.url)
    for (const { cursor } of [first, lost]) {
      const { status, body } = await rest.call<{ code: string; epoch: string }>('GET', `/v1/topics/orders/messages?after=${cursor}`)
      expect([status, body.code]).toEqual([409, 'cursor_epoch_mismatch'])
      expect(body.epoch).not.toBe(parseCursor(cursor).epoch)
    }
    expect((await rest.history('topic=orders')).map(({ data }) => data)).toEqual(['kept'])
  },
)
