import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { describeStore } from '../compliance/store.ts'
import { spoiling } from '../fixtures/spoiling.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { sqlitePaths, sqliteStore } from './sqlite-place.ts'

describeStore('SQLite', async () => {
  const directory = await temporaryDirectory()
  return {
    open: () => sqliteStore(directory),
    async spoil(what) {
      const database = new DatabaseSync(sqlitePaths(directory).path)
      const [sql, ...values] = spoiling(what, (length) => `zeroblob(${length})`)
      database.prepare(sql.replaceAll(/\$\d/g, '?')).run(...values)
      database.close()
    },
  }
})

test('no content of deliveries stays that were delivered or have expired', async () => {
  const directory = await temporaryDirectory()
  const store = sqliteStore(directory)
  await store.start()
  onTestFinished(() => store.stop())
  for (const id of ['1', '2', '3']) {
    const times = { createdAt: 1_000, expiresAt: id === '2' ? 2_000 : 9_000 }
    await store.deliveries.add({ id, messageId: `m${id}`, client: 'tok_1', to: 'x', envelope: Buffer.alloc(10, id), ...times }, 0)
  }
  await store.deliveries.end('1', { state: 'delivered', now: 3_000 })
  await store.deliveries.expire({ now: 3_000, limit: 10 })
  const database = new DatabaseSync(sqlitePaths(directory).path, { readOnly: true })
  const rows = database.prepare('SELECT length("envelope") AS "bytes" FROM "Delivery" ORDER BY "id"').all()
  database.close()
  expect(rows.map(({ bytes }) => bytes)).toEqual([0, 0, 10])
})
