import { join } from 'node:path'
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createPostgresStore } from '../../src/store/postgres/store.ts'
import type { StoreChange } from '../../src/store/store.ts'
import { silentLog } from '../fixtures/log.ts'
import { postgresForTests } from '../fixtures/postgres-for-tests.ts'
import { hasPostgres } from '../fixtures/postgres-server.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const server = postgresForTests()

describe.skipIf(!hasPostgres)('other gateways (needs PostgreSQL)', () => {
  test.each(['token', 'session'] as const)('are told of a %s that has ended, also while the way to tell is broken', async (kind) => {
    const [url, directory] = [await server().createDatabase(), await temporaryDirectory()]
    const open = async (name: string) => {
      const store = createPostgresStore({ url, servedMarkFile: join(directory, name), migrate: true }, { logger: silentLog })
      await store.start()
      onTestFinished(() => store.stop())
      return store
    }
    const one = await open('one')
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    onTestFinished(() => client.end())
    const other = await open('other')
    const changes: StoreChange[] = []
    other.listen((change) => void changes.push(change))
    const token = {
      id: 'tok_a',
      name: 'a',
      hash: Buffer.alloc(32, 1),
      actions: ['read'],
      topics: ['>'],
      createdAt: 1,
      expiresAt: undefined,
      lastUsedAt: undefined,
    }
    const session = { id: 'a', holder: 'operator', basis: { kind: 'operator' as const, proof: 'ab' }, createdAt: 1, expiresAt: 2 ** 40 }
    await one.tokens.add(token)
    await one.sessions.add(session, { max: 10, maxOfHolder: 10 })
    await expect.poll(() => changes).toContainEqual({ kind: 'tokens', token: 'tok_a' })

    changes.length = 0
    // The connection by which the first gateway listens is the older of the two.
    const listening = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE query LIKE 'LISTEN%' AND datname = current_database() ORDER BY backend_start LIMIT 1`
    expect((await client.query(listening)).rowCount).toBe(1)
    if (kind === 'token') await one.tokens.remove('tok_a')
    else await one.sessions.remove('a')
    await expect.poll(() => changes).toContainEqual({ kind: 'tokens', [kind]: kind === 'token' ? 'tok_a' : 'a' })
  })
})
