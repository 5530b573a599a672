import { copyFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parseCursor } from '../../src/model/cursor.ts'
import { expectWhole, load } from '../fixtures/crowd.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type EngineName, type GatewayProcess, quietEnvironment, StartFailed, startGateway } from '../fixtures/gateway-process.ts'
import { postgresForTests } from '../fixtures/postgres-for-tests.ts'
import { hasPostgres, startPostgres } from '../fixtures/postgres-server.ts'
import { createRest, type Published, type Rest } from '../fixtures/rest.ts'
import { smallDisk } from '../fixtures/small-disk.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** Several gateways, in processes of their own, on one PostgreSQL database. */

const server = postgresForTests()

async function environment(url: string, more: Record<string, string> = {}, engine?: EngineName): Promise<Record<string, string>> {
  return { ...quietEnvironment(await temporaryDirectory(), engine), DATABASE_URL: url, ...more }
}

async function pair(engine?: EngineName): Promise<{ url: string; one: GatewayProcess; other: GatewayProcess }> {
  const url = await server().createDatabase()
  const start = async () => await gatewayForTest(await environment(url, {}, engine))
  // Both at once: one of them finds the database empty, the other waits for its migrations.
  const [one, other] = await Promise.all([start(), start()])
  return { url, one, other }
}

describe.skipIf(!hasPostgres)('two gateways on one database (needs PostgreSQL)', () => {
  test('are one service: what one publishes the other serves, at the same cursor', async () => {
    const { one, other } = await pair()
    const [here, there] = [createRest(one.url), createRest(other.url)]
    await using stream = await openStream(other.url, { query: '?topic=orders&after=earliest' })
    await stream.expect('caught-up')
    const sent = await here.publish('orders', 'from one')
    const answered = await there.publish('orders', 'from the other')
    await stream.until(() => stream.messages.length === 2)
    expect(stream.messages.map(({ id, cursor }) => [id, cursor])).toEqual([sent, answered].map(({ id, cursor }) => [id, cursor]))
    expect(stream.messages.map(({ from }) => from)).toEqual([one.peerId, other.peerId])
    for (const rest of [here, there]) {
      const page = await rest.get<{ items: Array<{ id: string }> }>(`/v1/topics/orders/messages?after=${sent.cursor}`)
      expect(page.items.map(({ id }) => id)).toEqual([answered.id])
    }
    const nodes = await here.get<{ items: Array<{ peerId: string; state: string }> }>('/v1/nodes')
    expect(nodes.items.map(({ peerId, state }) => [peerId, state])).toEqual([one, other].map(({ peerId }) => [peerId, 'ready']).toSorted())
  })

  test('share topics, blocks and labels', async () => {
    const { one, other } = await pair()
    const [here, there] = [createRest(one.url), createRest(other.url)]
    const isJoined = async (rest: Rest) => (await rest.call<{ joined?: boolean }>('GET', '/v1/topics/news')).body.joined
    await here.call('PUT', '/v1/topics/news')
    await expect.poll(async () => (await there.get<{ counts: { topics: number } }>('/v1/node')).counts.topics).toBe(1)
    expect(await isJoined(there)).toBe(true)
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
    const { one, other } = await pair()
    const author = await gatewayForTest(quietEnvironment(await temporaryDirectory()))
    // A chain: the author knows only one of them, and the last node only the other.
    const last = await gatewayForTest(quietEnvironment(await temporaryDirectory()))
    const rests = [one, other, author, last].map(({ url }) => createRest(url))
    for (const rest of rests) await rest.call('PUT', '/v1/topics/orders')
    const [here, there, from, to] = rests
    await from?.call('POST', '/v1/peers', { multiaddr: one.multiaddrs[0] })
    await here?.call('POST', '/v1/peers', { multiaddr: other.multiaddrs[0] })
    await there?.call('POST', '/v1/peers', { multiaddr: last.multiaddrs[0] })
    const subscribers = async (rest?: Rest) => (await rest?.get<{ subscribers: number }>('/v1/topics/orders'))?.subscribers ?? 0
    await expect.poll(() => subscribers(to)).toBeGreaterThan(0)
    await expect.poll(() => subscribers(from)).toBeGreaterThan(0)
    const sent: string[] = []
    for (let number = 0; number < 50; number++) sent.push((await from?.publish('orders', `message ${number}`))?.id ?? '')
    await expect.poll(async () => (await to?.history('topic=orders'))?.length).toBe(sent.length)
    const log = (await here?.history('topic=orders')) ?? []
    expect(log.map(({ id }) => id).toSorted()).toEqual(sent.toSorted())
  })

  test('publish once under one idempotency key, at whichever of them it comes, and at both at once', async () => {
    const { one, other } = await pair()
    const publish = async (url: string, key: string, data: string) => {
      const headers = { 'content-type': 'application/json', 'idempotency-key': key }
      const answer = await fetch(`${url}/v1/topics/orders/messages`, { method: 'POST', headers, body: JSON.stringify({ data }) })
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
    expect(await createRest(one.url).history('topic=orders')).toHaveLength(31)
  })

  test('share tokens: one that is revoked at one is refused at the other, and its streams there are closed', async () => {
    const url = await server().createDatabase()
    const token = 'the-token-of-the-operator'
    const [one, other] = await Promise.all([
      gatewayForTest(await environment(url, { PEERGATE_ADMIN_TOKEN: token })),
      gatewayForTest(await environment(url, { PEERGATE_ADMIN_TOKEN: token })),
    ])
    const call = async (gateway: GatewayProcess, method: string, path: string, bearer: string, body?: object) =>
      await fetch(gateway.url + path, {
        method,
        headers: { authorization: `Bearer ${bearer}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    const made = (await (await call(one, 'POST', '/v1/tokens', token, { name: 'x', actions: ['read'] })).json()) as {
      id: string
      secret: string
    }
    expect((await call(other, 'GET', '/v1/node', made.secret)).status).toBe(200)
    const stream = await openStream(other.url, { headers: { authorization: `Bearer ${made.secret}` } })
    expect((await call(one, 'DELETE', `/v1/tokens/${made.id}`, token)).status).toBe(204)
    expect(await stream.closed).toBe(4503)
    expect((await call(other, 'GET', '/v1/node', made.secret)).status).toBe(401)
  })

  test('share sessions: one that was opened at one holds at the other, and ends there, with its streams, by itself or with its token', async () => {
    const url = await server().createDatabase()
    const token = 'the-token-of-the-operator'
    const [one, other] = await Promise.all([
      gatewayForTest(await environment(url, { PEERGATE_ADMIN_TOKEN: token })),
      gatewayForTest(await environment(url, { PEERGATE_ADMIN_TOKEN: token })),
    ])
    const call = async (gateway: GatewayProcess, method: string, path: string, headers: Record<string, string>, body?: object) =>
      await fetch(gateway.url + path, {
        method,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` })
    const open = async (secret: string) => {
      const [cookie = ''] = (await call(one, 'POST', '/v1/session', bearer(secret))).headers.getSetCookie()
      return { cookie: cookie.split(';')[0] ?? '', 'sec-fetch-site': 'same-origin' }
    }
    const made: { id: string; secret: string } = Object(
      await (await call(one, 'POST', '/v1/tokens', bearer(token), { name: 'x', actions: ['read'] })).json(),
    )
    const sessions = [await open(made.secret), await open(made.secret), await open(token)]
    const statuses = async () => await Promise.all(sessions.map(async (headers) => (await call(other, 'GET', '/v1/node', headers)).status))
    expect(await statuses()).toEqual([200, 200, 200])
    const streams = await Promise.all(sessions.map((headers) => openStream(other.url, { headers })))
    expect((await call(one, 'DELETE', '/v1/session', { ...sessions[0] })).status).toBe(204)
    expect(await streams[0]?.closed).toBe(4503)
    expect(await statuses()).toEqual([401, 200, 200])
    expect((await call(one, 'DELETE', `/v1/tokens/${made.id}`, bearer(token))).status).toBe(204)
    expect(await streams[1]?.closed).toBe(4503)
    expect(await statuses()).toEqual([401, 401, 200])
    await streams[2]?.[Symbol.asyncDispose]()
  })

  test('carry direct messages of each other, and serve as one', async () => {
    const { one, other } = await pair()
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
          const verdict = frame.message.data.startsWith('bad') ? 'ignore' : 'accept'
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

describe.skipIf(!hasPostgres)('nothing is lost and nothing is missed (needs PostgreSQL)', () => {
  test('when a gateway is killed under load, and its clients go on at the other', { timeout: 240_000 }, async () => {
    const { url, one, other } = await pair()
    const result = await load([one.url, other.url], async (more) => {
      await more(100)
      await one.end('SIGKILL')
      await more(100)
    })
    await expectWhole(createRest(other.url), result)
    expect(await server().query(url, 'SELECT count(*)::int AS count FROM "IdempotencyKey"')).toHaveLength(1)
  })

  test('when PostgreSQL is killed and started again under load', { timeout: 240_000 }, async () => {
    const { one, other } = await pair()
    const result = await load([one.url, other.url], async (more) => {
      for (let round = 0; round < 3; round++) {
        await more(50)
        await server().kill()
        await delay(500)
        await server().start()
      }
      await more(50)
    })
    await expectWhole(createRest(one.url), result)
  })

  test('when PostgreSQL stands still: publishing is refused for the time, and everything goes on after it', {
    timeout: 240_000,
  }, async () => {
    const { one, other } = await pair()
    const rest = createRest(one.url)
    await rest.publish('orders', 'before')
    const result = await load([one.url, other.url], async (more) => {
      await more(50)
      server().freeze()
      onTestFinished(() => server().thaw())
      const answer = await fetch(`${one.url}/v1/topics/orders/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"data":"while it stands still"}',
      })
      expect(answer.status).toBe(503)
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(((await answer.json()) as { code: string }).code).toMatch(/store_unavailable|overloaded/)
      expect((await fetch(`${one.url}/readyz`)).status).toBe(503)
      server().thaw()
      await more(50)
    })
    await expectWhole(rest, result)
  })

  test('when the disk of PostgreSQL is full, and has room again (needs leave to mount)', { timeout: 240_000 }, async ({ skip }) => {
    const directory = await smallDisk(192)
    if (directory === undefined) return skip('mounting is not allowed here')
    const small = await startPostgres({ directory })
    onTestFinished(() => small.stop())
    const url = await small.createDatabase()
    const gateway = await gatewayForTest(await environment(url))
    const acknowledged: Published[] = []
    async function publish(): Promise<number> {
      const body = JSON.stringify({ data: 'x'.repeat(500_000) })
      const answer = await fetch(`${gateway.url}/v1/topics/orders/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      })
      if (answer.status === 201) acknowledged.push((await answer.json()) as Published)
      else expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
      return answer.status
    }
    expect(await publish()).toBe(201)
    await expect(writeFile(join(directory, 'ballast'), new Uint8Array(256_000_000))).rejects.toThrow('ENOSPC')
    // The write-ahead log has some room in files that are there already.
    while ((await publish()) === 201) expect(acknowledged.length).toBeLessThan(1_000)
    expect(await publish()).toBe(503)
    await rm(join(directory, 'ballast'))
    // It ends itself when it is the write-ahead log that can't be written.
    if (!small.alive) await small.start()
    await expect.poll(publish, { timeout: 30_000 }).toBe(201)
    const rest = createRest(gateway.url)
    const log = new Map((await rest.history('topic=orders')).map(({ id, cursor }) => [id, cursor]))
    expect(acknowledged.filter(({ id, cursor }) => log.get(id) !== cursor)).toEqual([])
  })

  test('when two gateways append at once and the commit of one is held back', { timeout: 240_000 }, async () => {
    const { url, one, other } = await pair()
    const [here, there] = [createRest(one.url), createRest(other.url)]
    await here.publish('orders', 'before')
    // At its commit a message whose data begins with "held" waits for a lock that the test has: its number is given, and nobody sees it.
    await server().query(
      url,
      `CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON "Message" DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (substring(NEW."data" from 1 for 4) = 'held'::bytea) EXECUTE FUNCTION hold()`,
    )
    const holder = new pg.Client({ connectionString: url })
    await holder.connect()
    onTestFinished(() => holder.end())
    const waiting = async () =>
      (await server().query(url, `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted`)).length

    await using stream = await openStream(one.url, { query: '?topic=orders&after=earliest' })
    await using stranger = await openStream(other.url, { query: '?topic=orders&after=earliest' })
    const sent = ['before']
    for (let round = 0; round < 10; round++) {
      await holder.query('SELECT pg_advisory_lock(4711)')
      const held = (round % 2 === 0 ? here : there).publish('orders', `held ${round}`)
      await expect.poll(waiting).toBe(1)
      const next = (round % 2 === 0 ? there : here).publish('orders', `next ${round}`)
      // The other's append comes while the commit is held back; whether it gets its number now or later is the store's affair.
      await delay(200)
      await holder.query('SELECT pg_advisory_unlock(4711)')
      await Promise.all([held, next])
      sent.push(`held ${round}`, `next ${round}`)
    }
    for (const { messages, until } of [stream, stranger]) {
      await until(() => messages.length === sent.length)
      expect(messages.map(({ data }) => data)).toEqual(sent)
    }
  })

  test('when a transaction is left idle with the lock of the log', { timeout: 240_000 }, async () => {
    const { url, one } = await pair()
    const rest = createRest(one.url)
    await rest.publish('orders', 'before')
    const idle = new pg.Client({ connectionString: url })
    idle.on('error', () => undefined)
    await idle.connect()
    onTestFinished(() => idle.end())
    await idle.query(`BEGIN; SELECT pg_advisory_xact_lock(x'50656572'::int, hashtext(current_schema()))`)
    await using stream = await openStream(one.url, { query: '?topic=orders&after=earliest' })
    await stream.until(() => stream.messages.length === 1)
    expect((await rest.call('POST', '/v1/topics/orders/messages', { data: 'x' })).status).toBe(503)
    await idle.query('ROLLBACK')
    await rest.publish('orders', 'after')
    await stream.until(() => stream.messages.at(-1)?.data === 'after')
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
