import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { PrismaClient } from '../../src/store/generated/client.ts'
import { createSqliteAdapter, turn } from '../../src/store/sqlite/adapter.ts'
import { openSqliteDatabase } from '../../src/store/sqlite/database.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { sqlitePaths, sqliteStore } from './sqlite-place.ts'

const inForce = { journal_mode: 'wal', synchronous: 2, busy_timeout: 5_000, wal_autocheckpoint: 4_096, journal_size_limit: 67_108_864 }
type Pragma = keyof typeof inForce

async function migrated(): Promise<string> {
  const directory = await temporaryDirectory()
  await using store = sqliteStore(directory)
  await store.start()
  return sqlitePaths(directory).path
}

describe('a connection', () => {
  for (const queryOnly of [true, false]) {
    test(`of the driver ${queryOnly ? 'that reads' : 'that writes'} commits durably and waits for others`, async () => {
      const database = openSqliteDatabase(join(await temporaryDirectory(), 'new.db'), { queryOnly })
      onTestFinished(() => database.close())
      for (const [pragma, value] of Object.entries(inForce)) expect(Object.values(database.row(`PRAGMA ${pragma}`) ?? {})).toEqual([value])
    })
  }

  test('of Prisma does so too', async () => {
    const prisma = new PrismaClient({ adapter: createSqliteAdapter(await migrated()) })
    onTestFinished(() => prisma.$disconnect())
    for (const [pragma, value] of Object.entries(inForce)) {
      const [row] = await prisma.$queryRawUnsafe<Array<Record<Pragma | 'timeout', unknown>>>(`PRAGMA ${pragma}`)
      expect(Object.values(row ?? {}).map((found) => (typeof found === 'bigint' ? Number(found) : found))).toEqual([value])
    }
  })

  test('of Prisma commits durably but in turns, whichever statements run beside each other', async () => {
    const prisma = new PrismaClient({ adapter: createSqliteAdapter(await migrated(), { guard: async (statement) => await statement() }) })
    onTestFinished(() => prisma.$disconnect())
    const synchronous = async () => {
      const [row] = await prisma.$queryRawUnsafe<Array<{ synchronous: bigint }>>('PRAGMA synchronous')
      return Number(row?.synchronous)
    }
    const kinds = Array.from({ length: 30 }, (_, number) => (number % 3 === 1 ? 'turn' : 'other'))
    const found = await Promise.all(kinds.map((kind) => (kind === 'turn' ? turn(synchronous) : synchronous())))
    expect(found).toEqual(kinds.map((kind) => (kind === 'turn' ? 1 : 2)))
  })

  test('of Prisma holds no transaction', async () => {
    const prisma = new PrismaClient({ adapter: createSqliteAdapter(await migrated()) })
    onTestFinished(() => prisma.$disconnect())
    await expect(prisma.$transaction(async (inner) => await inner.peer.count())).rejects.toThrow('must not hold a transaction')
    expect(await prisma.peer.count()).toBe(0)
  })

  test('that reads refuses to write', async () => {
    const database = openSqliteDatabase(await migrated(), { queryOnly: true })
    onTestFinished(() => database.close())
    expect(() => database.run('DELETE FROM "Message"')).toThrow()
  })

  test('reads a single topic by its index', async () => {
    const database = openSqliteDatabase(await migrated(), { queryOnly: true })
    onTestFinished(() => database.close())
    for (const order of ['ASC', 'DESC']) {
      const plan = database.rows(
        `EXPLAIN QUERY PLAN SELECT * FROM "Message" WHERE "seq" > 1 AND "seq" <= 9 AND "topic" = 'a' AND "author" = 'b' ORDER BY "seq" ${order} LIMIT 9`,
      )
      expect(Array.from(plan, ({ detail }) => String(detail))).toEqual([expect.stringContaining('USING INDEX Message_topic_seq_idx')])
    }
  })
})
