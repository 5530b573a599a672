import { join } from 'node:path'
import { expect, test } from 'vitest'
import { beginEpoch } from '../../src/store/maintenance.ts'
import { createPostgresStore } from '../../src/store/postgres/store.ts'
import { openServedMarks } from '../../src/store/shared/served-mark.ts'
import { silentLog } from '../fixtures/log.ts'
import { storedMessage } from '../fixtures/messages.ts'
import { postgresForTests } from '../fixtures/postgres-for-tests.ts'
import { hasPostgres } from '../fixtures/postgres-server.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const server = postgresForTests()

test.skipIf(!hasPostgres)('what another gateway has appended is noted as served once it is read here (needs PostgreSQL)', async () => {
  const [url, directory] = [await server().createDatabase(), await temporaryDirectory()]
  const [mine, others] = [join(directory, 'mine'), join(directory, 'others')]
  const open = async (servedMarkFile: string) => {
    const store = createPostgresStore({ url, servedMarkFile, migrate: true }, { logger: silentLog })
    await store.start()
    return store
  }
  const served = (epoch: string) => {
    const marks = openServedMarks(mine)
    const tip = marks.tip(epoch)
    marks.close()
    return tip
  }
  await using one = await open(mine)
  await using other = await open(others)
  const epoch = await one.log.epoch()
  const { entries } = await other.log.append([1, 2, 3].map((seq) => storedMessage(seq)))
  const tip = Math.max(...entries.map(({ message }) => message?.seq ?? 0))
  expect(served(epoch)).toBe(0)
  await one.log.read({ after: 0, order: 'asc', limit: 2 })
  expect(served(epoch)).toBe(tip - 1)
  await one.log.read({ after: 0, order: 'asc', limit: 10 })
  expect(served(epoch)).toBe(tip)
  // What is read again takes nothing back.
  await one.log.read({ after: 0, order: 'asc', limit: 1 })
  expect(served(epoch)).toBe(tip)
})

test.skipIf(!hasPostgres)('an append returns the epoch of the log that it wrote to (needs PostgreSQL)', async () => {
  const [url, directory] = [await server().createDatabase(), await temporaryDirectory()]
  await using store = createPostgresStore({ url, servedMarkFile: join(directory, 'mine'), migrate: true }, { logger: silentLog })
  await store.start()
  const before = await store.log.epoch()
  expect((await store.log.append([storedMessage(1)])).epoch).toBe(before)
  const after = await beginEpoch(url)
  const { epoch } = await store.log.append([storedMessage(2)])
  expect(epoch).toBe(after)
  expect(epoch).not.toBe(before)
  expect((await store.log.position()).epoch).toBe(after)
})
