import { join } from 'node:path'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openPostgresDatabase } from '../../src/store/postgres/database.ts'
import { createPostgresStore } from '../../src/store/postgres/store.ts'
import { silentLog } from '../fixtures/log.ts'
import { postgresForTests } from '../fixtures/postgres-for-tests.ts'
import { hasPostgres } from '../fixtures/postgres-server.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const server = postgresForTests()

/** A database that a gateway has used. */
async function createDatabase(): Promise<string> {
  const url = await server().createDatabase()
  const servedMarkFile = join(await temporaryDirectory(), 'served')
  await using store = createPostgresStore({ url, servedMarkFile, migrate: true }, { logger: silentLog })
  await store.start()
  return url
}

function open(url: string) {
  const warnings: string[] = []
  const logger = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(JSON.parse(line).msg) })
  const database = openPostgresDatabase(url, { logger })
  onTestFinished(() => database.close())
  return { database, warnings }
}

describe.skipIf(!hasPostgres)('on PostgreSQL (needs PostgreSQL)', () => {
  test('a commit waits for the disk, whatever database, role and URL say', async () => {
    const url = await createDatabase()
    const name = new URL(url).pathname.slice(1)
    await server().query(url, `ALTER DATABASE "${name}" SET synchronous_commit = off`)
    await server().query(url, `ALTER ROLE peergate IN DATABASE "${name}" SET synchronous_commit = off`)
    const given = '-c synchronous_commit=off -c work_mem=5MB'
    for (const query of ['', `?options=${encodeURIComponent(given)}`, `?options=${given.replaceAll(' ', '+')}&application_name=mine`]) {
      const { database } = open(url + query)
      for (const run of [database.read, database.write]) {
        expect(await run('SHOW synchronous_commit')).toEqual([['on']])
        expect(await run('SHOW lock_timeout')).toEqual([['5s']])
        expect(await run('SHOW work_mem')).toEqual([[query === '' ? '4MB' : '5MB']])
      }
    }
  })

  test('a server that does not keep what it commits is told of by name, also one that is changed later', async () => {
    const url = await createDatabase()
    const { database, warnings } = open(url)
    await database.write('SELECT 1')
    expect(warnings).toEqual([])
    const set = async (name: string, value: string) => {
      await server().query(url, `ALTER SYSTEM SET ${name} = ${value}`)
      await server().query(url, 'SELECT pg_reload_conf()')
      await expect.poll(async () => (await server().query(url, `SHOW ${name}`))[0]?.[name]).toBe(value)
    }
    await set('full_page_writes', 'off')
    await open(url).database.write('SELECT 1')
    await set('fsync', 'off')
    await server().disconnect(url)
    await expect.poll(() => database.write('SELECT 1').catch(() => undefined)).toEqual([[1]])
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(
      /^PostgreSQL runs with fsync=off and full_page_writes=off: .* may be lost.* Set fsync=on and full_page_writes=on\.$/,
    )
  })
})
