import type { RecordStore } from '../record-store.ts'
import { afterPrefix } from '../shared/after-prefix.ts'
import type { SqliteDatabase } from './database.ts'
import { toBytes } from './messages.ts'

/** Sets a record; values: key, value. */
export const putRecord = 'INSERT INTO "Record" ("key", "value") VALUES (?, ?) ON CONFLICT ("key") DO UPDATE SET "value" = excluded."value"'

/** Uses the driver: a batch is one transaction, which Prisma must not hold (adapter.ts). */
export function createRecordStore(components: { writer: () => SqliteDatabase; reader: () => SqliteDatabase }): RecordStore {
  const { writer, reader } = components
  return {
    async get(key) {
      const row = reader().row('SELECT "value" FROM "Record" WHERE "key" = ?', key)
      return row === undefined ? undefined : toBytes(row.value)
    },
    async write(batch) {
      const database = writer()
      database.transaction(() => {
        for (const { key, value } of batch) {
          if (value === undefined) database.run('DELETE FROM "Record" WHERE "key" = ?', key)
          else database.run(putRecord, key, value)
        }
      })
    },
    async list(prefix) {
      const rows = reader().rows(
        'SELECT "key", "value" FROM "Record" WHERE "key" >= ?1 AND "key" < ?2 AND substr("key", 1, length(?1)) = ?1 ORDER BY "key"',
        prefix,
        afterPrefix(prefix),
      )
      return Array.from(rows, (row) => ({ key: String(row.key), value: toBytes(row.value) }))
    },
  }
}
