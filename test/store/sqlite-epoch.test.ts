import { copyFile, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { openServedMarks } from '../../src/store/shared/served-mark.ts'
import { createSqliteStore } from '../../src/store/sqlite/store.ts'
import { storedMessage } from '../fixtures/messages.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { sqlitePaths, sqliteStore } from './sqlite-place.ts'

interface Visit {
  epoch: string
  tip: number
}

/** Starts a store, appends so many messages, and stops it. */
async function visit(directory: string, messages: number): Promise<Visit> {
  await using store = sqliteStore(directory)
  await store.start()
  const { tip } = await store.log.position()
  if (messages > 0) await store.log.append(Array.from({ length: messages }, (_, index) => storedMessage(tip + index + 1)))
  return { epoch: await store.log.epoch(), tip: (await store.log.position()).tip }
}

describe('the epoch', () => {
  test('stays while the log only grows', async () => {
    const directory = await temporaryDirectory()
    const visits = [await visit(directory, 3), await visit(directory, 0), await visit(directory, 2)]
    expect(new Set(visits.map(({ epoch }) => epoch)).size).toBe(1)
    expect(visits.map(({ tip }) => tip)).toEqual([3, 3, 5])
  })

  test('is another one when the database was replaced by an older copy, also the second time', async () => {
    const directory = await temporaryDirectory()
    const { path } = sqlitePaths(directory)
    const backup = join(directory, 'backup.db')
    const before = await visit(directory, 3)
    await copyFile(path, backup)
    await visit(directory, 4)
    await copyFile(backup, path)
    const restored = await visit(directory, 1)
    expect(restored).toEqual({ epoch: expect.stringMatching(/^[A-Za-z0-9]{1,32}$/), tip: 4 })
    expect(restored.epoch).not.toBe(before.epoch)
    expect((await visit(directory, 0)).epoch).toBe(restored.epoch)
    await copyFile(backup, path)
    const again = await visit(directory, 0)
    expect([before.epoch, restored.epoch]).not.toContain(again.epoch)
  })

  test('is another one when the WAL is gone after a crash, and the log tells which messages are', async () => {
    const told: unknown[] = []
    const logger = pino({ base: null }, { write: (line: string) => void told.push(JSON.parse(line)) })
    // Of one store what is copied without its WAL is what a crash and an `rm` leave; the other had its first messages copied into the file.
    for (const copied of [0, 3]) {
      const left = sqlitePaths(await temporaryDirectory())
      const directory = await temporaryDirectory()
      if (copied > 0) await visit(directory, copied)
      await using store = sqliteStore(directory)
      await store.start()
      await store.log.append(Array.from({ length: 2 }, (_, index) => storedMessage(copied + index + 1)))
      await copyFile(sqlitePaths(directory).path, left.path)
      await copyFile(sqlitePaths(directory).servedMarkFile, left.servedMarkFile)
      await using after = createSqliteStore({ ...left, migrate: true }, { logger })
      await after.start()
      expect(await after.log.epoch()).not.toBe(await store.log.epoch())
      expect(told.at(-1)).toMatchObject({ lost: { from: copied + 1, through: copied + 2 } })
    }
  })

  test('is another one when the database is new', async () => {
    const directory = await temporaryDirectory()
    const before = await visit(directory, 3)
    await rm(sqlitePaths(directory).path)
    expect((await visit(directory, 1)).epoch).not.toBe(before.epoch)
  })

  test('stays when the copy lacks nothing that was served', async () => {
    const directory = await temporaryDirectory()
    const { path } = sqlitePaths(directory)
    const before = await visit(directory, 3)
    await copyFile(path, `${path}.copy`)
    await copyFile(`${path}.copy`, path)
    expect(await visit(directory, 1)).toEqual({ epoch: before.epoch, tip: 4 })
  })

  test('stays when the mark can not be read', async () => {
    const directory = await temporaryDirectory()
    const { servedMarkFile } = sqlitePaths(directory)
    const before = await visit(directory, 3)
    for (const spoil of [
      (content: string) => content.slice(0, 20),
      (content: string) => content.replace('3', '9'),
      () => '\0'.repeat(300),
      () => '',
    ]) {
      await writeFile(servedMarkFile, spoil(await readFile(servedMarkFile, 'latin1')))
      expect((await visit(directory, 1)).epoch).toBe(before.epoch)
    }
    await rm(servedMarkFile)
    expect((await visit(directory, 1)).epoch).toBe(before.epoch)
  })
})

describe('the served marks', () => {
  test('are kept for each epoch, over a restart', async () => {
    const path = join(await temporaryDirectory(), 'new', 'served')
    const marks = openServedMarks(path)
    marks.write('first', 7)
    marks.write('a'.repeat(32), Number.MAX_SAFE_INTEGER)
    marks.write('first', 1_000)
    marks.close()
    const again = openServedMarks(path)
    expect([again.tip('first'), again.tip('a'.repeat(32)), again.tip('never')]).toEqual([1_000, Number.MAX_SAFE_INTEGER, 0])
    again.close()
  })

  test('count for nothing where a line was torn, and the lines beside it count', async () => {
    const path = join(await temporaryDirectory(), 'served')
    const marks = openServedMarks(path)
    marks.write('torn', 1_000)
    marks.write('whole', 7)
    marks.close()
    const content = await readFile(path, 'latin1')
    // As when half of the line of 1,000 was replaced by that of 9,999.
    expect(content).toContain('torn 1000 ')
    await writeFile(path, content.replace('torn 1000 ', 'torn 9999 '))
    const again = openServedMarks(path)
    expect([...again.tips]).toEqual([['whole', 7]])
    again.write('torn', 1_001)
    again.close()
    const mended = openServedMarks(path)
    expect([mended.tip('torn'), mended.tip('whole')]).toEqual([1_001, 7])
    mended.close()
  })
})
