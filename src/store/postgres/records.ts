import type { RecordStore } from '../record-store.ts'
import { afterPrefix } from '../shared/after-prefix.ts'
import type { PostgresDatabase } from './database.ts'
import { toBytes } from './messages.ts'

/** Sets a record; values: key, value. */
export const putRecord = `INSERT INTO "Record" ("key", "value") VALUES ($1, $2) ON CONFLICT ("key") DO UPDATE SET "value" = excluded."value"`

export function createRecordStore(components: { database: () => PostgresDatabase }): RecordStore {
  const { database } = components
  return {
    async get(key) {
      const [row] = await database().read('SELECT "value" FROM "Record" WHERE "key" = $1', [key])
      return row === undefined ? undefined : toBytes(row[0])
    },
    async write(batch) {
      await database().transaction(async (query) => {
        for (const { key, value } of batch) {
          if (value === undefined) await query('DELETE FROM "Record" WHERE "key" = $1', [key])
          else await query(putRecord, [key, Buffer.from(value)])
        }
      })
    },
    async list(prefix) {
      const sql = 'SELECT "key", "value" FROM "Record" WHERE "key" >= $1 AND "key" < $2 AND starts_with("key", $1) ORDER BY "key"'
      const rows = await database().read(sql, [prefix, afterPrefix(prefix)])
      return rows.map(([key, value]) => ({ key: String(key), value: toBytes(value) }))
    },
  }
}
