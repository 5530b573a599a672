import type { ClockStore } from '../clock-store.ts'
import type { SqliteDatabase } from './database.ts'

const replace = 'UPDATE "Clock" SET "generation" = ?, "age" = ?, "wall" = ? WHERE "id" = 1 AND "generation" = ?'
const begin = 'INSERT INTO "Clock" ("id", "generation", "age", "wall") VALUES (1, ?, ?, ?) ON CONFLICT ("id") DO NOTHING'

export function createClockStore(components: { writer: () => SqliteDatabase; reader: () => SqliteDatabase }): ClockStore {
  const { writer, reader } = components
  return {
    async read() {
      const row = reader().row('SELECT "generation", "age", "wall" FROM "Clock" WHERE "id" = 1')
      if (row === undefined) return { wall: undefined, checkpoint: undefined }
      const checkpoint = { generation: Number(row.generation), age: Number(row.age), wall: Number(row.wall) }
      return { wall: undefined, checkpoint }
    },
    async save({ generation, age, wall }, after) {
      const values = [generation, age, wall]
      const { changes } = after === 0 ? writer().run(begin, ...values) : writer().run(replace, ...values, after)
      return changes === 1
    },
  }
}
