import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { expectWhole, load } from '../fixtures/crowd.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { environment, gatewaysOnPostgres } from '../fixtures/gateways-on-postgres.ts'
import { hasPostgres, startPostgres } from '../fixtures/postgres-server.ts'
import { createRest, type Published } from '../fixtures/rest.ts'
import { smallDisk } from '../fixtures/small-disk.ts'
import { openStream } from '../fixtures/stream-client.ts'

/** Gateways and their PostgreSQL fail under load. */

const { server, pair } = gatewaysOnPostgres()

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
      await expect.poll(async () => (await fetch(`${one.url}/readyz`)).status).toBe(503)
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
