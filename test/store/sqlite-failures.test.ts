import { copyFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { DatabaseDamaged, DatabaseFull, DatabaseGone, StoreUnavailable } from '../../src/errors.ts'
import { createDamageNews } from '../../src/store/shared/damage.ts'
import { watchFiles } from '../../src/store/shared/files-in-place.ts'
import { openServedMarks } from '../../src/store/shared/served-mark.ts'
import { openSqliteDatabase } from '../../src/store/sqlite/database.ts'
import { createDiskRoom } from '../../src/store/sqlite/disk-room.ts'
import { createSqliteLog } from '../../src/store/sqlite/log.ts'
import { silentLog } from '../fixtures/log.ts'
import { storedMessage } from '../fixtures/messages.ts'
import { smallDisk } from '../fixtures/small-disk.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { sqlitePaths, sqliteStore } from './sqlite-place.ts'

/** Who joins a topic. */
const someone = { client: 'tok_1', explicit: true }

const large = (number: number) => storedMessage(number, 'orders', new Uint8Array(100_000))

/** A log whose database may grow to so many pages at a time. */
async function boundedLog() {
  const directory = await temporaryDirectory()
  const { path, servedMarkFile } = sqlitePaths(directory)
  const store = sqliteStore(directory)
  await store.start()
  await store.stop()
  const writer = openSqliteDatabase(path, { queryOnly: false })
  const reader = openSqliteDatabase(path, { queryOnly: true })
  const served = openServedMarks(servedMarkFile)
  const room = createDiskRoom({ path, tight: false }, { writer, logger: silentLog })
  const log = createSqliteLog(
    { epoch: 'test' },
    {
      writer,
      reader,
      served,
      files: watchFiles([path]),
      room,
      sync: { reached: async () => undefined },
      damage: createDamageNews({ logger: silentLog }),
      logger: silentLog,
    },
  )
  onTestFinished(() => {
    log.close()
    reader.close()
    writer.close()
    served.close()
  })
  return { log, room, bound: (pages: number) => writer.row(`PRAGMA max_page_count = ${pages}`) }
}

describe('a full database', () => {
  test('refuses a batch whole, and takes the next one when there is room', async () => {
    const { log, room, bound } = await boundedLog()
    await log.append([storedMessage(1)])
    await log.markSent('author', 7)
    bound(40)
    await expect(log.append([storedMessage(2), large(3), large(4)])).rejects.toThrow(StoreUnavailable)
    expect((await log.position()).tip).toBe(1)
    expect(await log.get(storedMessage(2).id)).toBeUndefined()
    expect((await log.append([storedMessage(5)])).entries[0]?.message?.seq).toBe(2)
    room.hold()
    expect((await log.append([large(3), large(4)])).previousTip).toBe(2)
    expect(await log.sentThrough('author')).toBe(7)
  })

  test('on a full disk refuses every write, reads on, and recovers', async ({ skip }) => {
    const directory = await smallDisk(2)
    if (directory === undefined) return skip('mounting is not allowed here')
    const store = sqliteStore(directory)
    await store.start()
    onTestFinished(() => store.stop())
    await store.log.append([storedMessage(1)])
    await expect(writeFile(join(directory, 'ballast'), new Uint8Array(4_000_000))).rejects.toThrow('ENOSPC')
    for (let round = 0; round < 2; round++) {
      await expect(store.log.append([large(2)])).rejects.toThrow(StoreUnavailable)
      await expect(store.records.write([{ key: 'a', value: new Uint8Array(100_000) }])).rejects.toThrow(StoreUnavailable)
      await expect(store.topics.join('orders'.repeat(2_000), 1_000, someone)).rejects.toThrow(StoreUnavailable)
      expect(await store.log.get(storedMessage(1).id)).toMatchObject({ seq: 1 })
    }
    await rm(join(directory, 'ballast'))
    expect((await store.log.append([large(2)])).entries[0]?.message?.seq).toBe(2)
    expect(await store.topics.join('orders', 1_000, someone)).toBe(true)
    expect(await store.topics.get('orders')).toMatchObject({ joined: true, messages: 2 })
  })
})

describe('the reserve of a full disk', () => {
  const keepFive = { topic: 'orders', limit: 100, now: 0, defaults: { maxAgeMs: 0, maxMessages: 5, maxBytes: 0 } }

  async function appendUntilFull(store: ReturnType<typeof sqliteStore>, from: number): Promise<number> {
    for (let number = from; ; number++) {
      const isStored = await store.log.append([large(number)]).then(
        () => true,
        () => false,
      )
      if (!isStored) return number
    }
  }

  test('lets a store start and remove messages, whose room others get, until there is room again', async ({ skip }) => {
    const directory = await smallDisk(16)
    if (directory === undefined) return skip('mounting is not allowed here')
    const ballast = join(directory, 'ballast')
    const fill = () => writeFile(ballast, new Uint8Array(20_000_000), { flag: 'a' }).catch(() => undefined)
    const before = sqliteStore(directory)
    await before.start()
    await before.log.tryWrite()
    for (let number = 1; number <= 20; number++) await before.log.append([large(number)])
    await fill()
    const next = await appendUntilFull(before, 21)
    await fill()
    await before.records.write([{ key: 'a', value: new Uint8Array(20_000) }])
    await before.stop()
    await fill()
    const store = sqliteStore(directory)
    await store.start()
    onTestFinished(() => store.stop())
    expect((await store.log.position()).tip).toBe(next - 1)
    await expect(store.log.tryWrite()).rejects.toThrow(DatabaseFull)
    await expect(store.log.append([large(next)])).rejects.toThrow(DatabaseFull)
    expect(await store.log.prune(keepFive)).toMatchObject({ messages: next - 6 })
    for (let number = next; number < next + 10; number++) await store.log.append([large(number)])
    await rm(ballast)
    // More than deletions have left in the database.
    for (let number = next + 10; number < next + 40; number++) await store.log.append([large(number)])
  })

  test('has the room for what a change has added to the database, once messages have filled the WAL', async ({ skip }) => {
    const directory = await smallDisk(16)
    if (directory === undefined) return skip('mounting is not allowed here')
    const store = sqliteStore(directory)
    await store.start()
    onTestFinished(() => store.stop())
    await store.log.tryWrite()
    for (let number = 1; number <= 20; number++) await store.log.append([large(number)])
    await writeFile(join(directory, 'ballast'), new Uint8Array(20_000_000)).catch(() => undefined)
    const next = await appendUntilFull(store, 21)
    await store.records.write([{ key: 'a', value: new Uint8Array(20_000) }])
    await store.log.prune(keepFive)
    for (let number = next; number < next + 10; number++) await store.log.append([large(number)])
  })
})

test('files that were deleted or replaced have every write refused', async () => {
  const directory = await temporaryDirectory()
  const { path } = sqlitePaths(directory)
  const store = sqliteStore(directory)
  await store.start()
  onTestFinished(() => store.stop())
  await store.log.append([storedMessage(1)])
  store.check()
  await rename(path, `${path}.away`)
  await copyFile(`${path}.away`, path)
  expect(() => store.check()).toThrow(DatabaseGone)
  await expect(store.log.append([storedMessage(2)])).rejects.toThrow(DatabaseGone)
  await expect(store.log.tryWrite()).rejects.toThrow(DatabaseGone)
  await expect(store.topics.join('orders', 1_000, someone)).rejects.toThrow(DatabaseGone)
  await expect(store.records.write([{ key: 'a', value: new Uint8Array(1) }])).rejects.toThrow(DatabaseGone)
  expect(await store.log.get(storedMessage(1).id)).toMatchObject({ seq: 1 })
})

describe('a failed transaction', () => {
  test('leaves nothing behind, whoever threw', async () => {
    const database = openSqliteDatabase(join(await temporaryDirectory(), 'a.db'), { queryOnly: false })
    onTestFinished(() => database.close())
    database.run('CREATE TABLE "a" ("b" INTEGER PRIMARY KEY)')
    const mistake = new Error('a mistake')
    expect(() =>
      database.transaction(() => {
        database.run('INSERT INTO "a" VALUES (1)')
        throw mistake
      }),
    ).toThrow(mistake)
    expect(() => database.transaction(() => database.run('INSERT INTO "a" VALUES (2), (2)'))).toThrow(/UNIQUE/)
    expect(database.transaction(() => database.row('SELECT count(*) AS "rows" FROM "a"'))).toEqual({ rows: 0 })
  })
})

describe('a start', () => {
  test('fails by name where there is no database, and works once there is one', async () => {
    const directory = await temporaryDirectory()
    const { path } = sqlitePaths(directory)
    await writeFile(path, 'this is not a database, and it is longer than a header of one hundred bytes would be'.repeat(4))
    const store = sqliteStore(directory)
    await expect(store.start()).rejects.toThrow(DatabaseDamaged)
    expect(store.isDamaged()).toBe(true)
    await expect(store.log.position()).rejects.toThrow(StoreUnavailable)
    await rm(path)
    await store.start()
    expect((await store.log.position()).tip).toBe(0)
    await store.stop()
    await expect(store.log.append([storedMessage(1)])).rejects.toThrow(StoreUnavailable)
  })
})
