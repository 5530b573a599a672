import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MigrationPending, migrate } from '../../src/store/shared/migrate.ts'
import { createSqliteAdapter } from '../../src/store/sqlite/adapter.ts'
import { openSqliteDatabase, type SqliteDatabase } from '../../src/store/sqlite/database.ts'
import { storedMessage } from '../fixtures/messages.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { sqlitePaths, sqliteStore } from './sqlite-place.ts'

function openForTest(path: string): SqliteDatabase {
  const database = openSqliteDatabase(path, { queryOnly: false })
  onTestFinished(() => database.close())
  return database
}

/** Migrations of a test's own. */
async function migrations(scripts: Record<string, string>): Promise<string> {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'migration_lock.toml'), 'provider = "sqlite"\n')
  for (const [name, script] of Object.entries(scripts)) {
    await mkdir(join(directory, name))
    await writeFile(join(directory, name, 'migration.sql'), script)
  }
  return directory
}

const begin = 'BEGIN IMMEDIATE'

describe('migrations', () => {
  test('run once, and are noted in the table of Prisma', async () => {
    const directory = await temporaryDirectory()
    for (let start = 0; start < 3; start++) {
      await using store = sqliteStore(directory)
      await store.start()
      await store.log.append([storedMessage(1 + start)])
    }
    const rows = openForTest(sqlitePaths(directory).path).rows('SELECT * FROM "_prisma_migrations"')
    expect([...rows]).toEqual([expect.objectContaining({ migration_name: expect.stringMatching(/^\d{14}_/), applied_steps_count: 1 })])
  })

  test('are an error where they must not run, until they have', async () => {
    const directory = await temporaryDirectory()
    await expect(sqliteStore(directory, { migrate: false }).start()).rejects.toThrow(MigrationPending)
    await expect(sqliteStore(directory, { migrate: false }).start()).rejects.toThrow(/PEERGATE_MIGRATE=true/)
    await using migrating = sqliteStore(directory)
    await migrating.start()
    await migrating.stop()
    await using store = sqliteStore(directory, { migrate: false })
    await store.start()
    expect((await store.log.position()).tip).toBe(0)
  })

  test('run beside a connection that reads', async () => {
    const path = join(await temporaryDirectory(), 'a.db')
    const reader = openForTest(path)
    const [row] = reader.rows('SELECT count(*) FROM "sqlite_schema"')
    expect(row).toBeDefined()
    const directory = await migrations({ '1_one': 'CREATE TABLE "one" ("a" INTEGER);' })
    expect(
      await migrate({ directory, apply: true }, { adapter: createSqliteAdapter(path), applied: async () => new Set(), begin }),
    ).toEqual(['1_one'])
    expect(reader.row('SELECT count(*) AS "rows" FROM "one"')).toEqual({ rows: 0 })
  })

  test('run all or not at all, and again when they are mended', async () => {
    const path = join(await temporaryDirectory(), 'a.db')
    const adapter = createSqliteAdapter(path)
    const applied = async () => new Set<string>()
    const one = 'CREATE TABLE "one" ("a" INTEGER);'
    const broken = await migrations({ '1_one': one, '2_two': 'CREATE TABLE "two" ("a" INTEGER); CREATE TABLE "one" ("a" INTEGER);' })
    await expect(migrate({ directory: broken, apply: true }, { adapter, applied, begin })).rejects.toThrow()
    const database = openForTest(path)
    expect([...database.rows('SELECT "name" FROM "sqlite_schema"')]).toEqual([])
    const mended = await migrations({ '1_one': one, '2_two': 'CREATE TABLE "two" ("a" INTEGER);' })
    expect(await migrate({ directory: mended, apply: true }, { adapter, applied, begin })).toEqual(['1_one', '2_two'])
  })
})
