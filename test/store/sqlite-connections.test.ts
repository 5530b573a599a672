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

  test('of Prisma tells of each write as it commits, but of those in turns, whichever run beside each other', async () => {
    let committed = 0
    const writes = { committed: () => void committed++, guard: async <Result>(statement: () => Promise<Result>) => await statement() }
    const prisma = new PrismaClient({ adapter: createSqliteAdapter(await migrated(), writes) })
    onTestFinished(() => prisma.$disconnect())
    const write = async (number: number) => await prisma.topic.create({ data: { name: `topic ${number}` } })
    await Promise.all(Array.from({ length: 30 }, (_, number) => (number % 3 === 1 ? turn(() => write(number)) : write(number))))
    expect(committed).toBe(20)
    await prisma.topic.findMany()
    expect(committed).toBe(20)
  })

  test('that tells of its commits does so once for each that changed something', async () => {
    let committed = 0
    const database = openSqliteDatabase(await migrated(), { queryOnly: false, committed: () => void committed++ })
    onTestFinished(() => database.close())
    expect(database.row('PRAGMA synchronous')).toEqual({ synchronous: 1 })
    const put = `INSERT INTO "Record" ("key", "value") VALUES (?, x'00') RETURNING "key"`
    database.run(put, 'a')
    expect(committed).toBe(1)
    for (const _row of database.rows(put, 'b')) break
    expect(committed).toBe(2)
    database.row(put, 'c')
    expect(committed).toBe(3)
    database.transaction(() => {
      database.run(put, 'd')
      database.run('DELETE FROM "Record" WHERE "key" = ?', 'd')
      expect(committed).toBe(3)
    })
    expect(committed).toBe(4)
    const fails = () =>
      database.transaction(() => {
        database.run(put, 'e')
        throw new Error('undone')
      })
    expect(fails).toThrow('undone')
    database.transaction(() => database.row('SELECT * FROM "Record"'))
    database.run('DELETE FROM "Record" WHERE "key" = ?', 'e')
    expect(committed).toBe(4)
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
