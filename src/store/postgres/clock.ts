import type { ClockStore } from '../clock-store.ts'
import type { PostgresDatabase } from './database.ts'

const read = `SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, c."generation", c."age", c."wall"
  FROM (SELECT 1) AS one LEFT JOIN "Clock" AS c ON c."id" = 1`
const replace = 'UPDATE "Clock" SET "generation" = $1, "age" = $2, "wall" = $3 WHERE "id" = 1 AND "generation" = $4 RETURNING 1'
const begin = 'INSERT INTO "Clock" ("id", "generation", "age", "wall") VALUES (1, $1, $2, $3) ON CONFLICT ("id") DO NOTHING RETURNING 1'

/** The server's clock, which is the same for all gateways of the database. */
export function createClockStore(components: { database: () => PostgresDatabase }): ClockStore {
  const { database } = components
  return {
    async read() {
      const [[wall, generation, age, checkpointWall] = []] = await database().read(read)
      if (generation === null) return { wall: Number(wall), checkpoint: undefined }
      return { wall: Number(wall), checkpoint: { generation: Number(generation), age: Number(age), wall: Number(checkpointWall) } }
    },
    async save({ generation, age, wall }, after) {
      const values = [generation, age, wall]
      const rows = after === 0 ? await database().read(begin, values) : await database().read(replace, [...values, after])
      return rows.length === 1
    },
  }
}
