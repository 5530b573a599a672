import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createCheckpointer } from '../../src/store/sqlite/checkpointer.ts'
import { openSqliteDatabase } from '../../src/store/sqlite/database.ts'
import { silentLog } from '../fixtures/log.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

async function growingDatabase() {
  const path = join(await temporaryDirectory(), 'a.db')
  const writer = openSqliteDatabase(path, { queryOnly: false })
  const checkpointer = createCheckpointer({ path, pages: 50 }, { writer, logger: silentLog })
  onTestFinished(async () => {
    await checkpointer.close()
    writer.close()
  })
  // What the thread does not copy stays in the WAL.
  writer.row('PRAGMA wal_autocheckpoint = 0')
  writer.run('CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)')
  return {
    writer,
    checkpointer,
    grow: (pages: number) => writer.run('INSERT INTO t (b) VALUES (zeroblob(?))', pages * 4_096),
    wal: () => ({ ...writer.row('PRAGMA wal_checkpoint(NOOP)') }),
  }
}

test('the WAL is copied by a thread once it has grown enough, and begins anew', async () => {
  const { checkpointer, grow, wal } = await growingDatabase()
  grow(20)
  checkpointer.look()
  expect(wal()).toMatchObject({ checkpointed: 0 })
  grow(100)
  const copied = () => {
    checkpointer.look()
    const { log, checkpointed } = wal()
    return log === checkpointed
  }
  await expect.poll(copied).toBe(true)
  grow(1)
  expect(Number(wal()['log'])).toBeLessThan(20)
})

test('a thread that fails is reported once, and no other begins: commits copy the WAL', async () => {
  const path = join(await temporaryDirectory(), 'a.db')
  const writer = openSqliteDatabase(path, { queryOnly: false })
  writer.run('CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)')
  const lines: unknown[] = []
  // The thread can't open a directory.
  const logger = { ...silentLog, warn: (line: unknown) => void lines.push(line) } as typeof silentLog
  let time = 0
  // Each look is due.
  const now = () => (time += 1_000)
  const checkpointer = createCheckpointer({ path: dirname(path), pages: 1 }, { writer, logger, now })
  const looks = () => {
    checkpointer.look()
    return lines.length
  }
  await expect.poll(looks).toBe(1)
  checkpointer.look()
  await checkpointer.close()
  writer.close()
  expect(lines).toHaveLength(1)
})

test('after it was closed, no thread begins', async () => {
  const { checkpointer, grow, wal } = await growingDatabase()
  await checkpointer.close()
  grow(100)
  checkpointer.look()
  await checkpointer.close()
  expect(wal()).toMatchObject({ checkpointed: 0 })
})
