import type { Deleted } from '../log-store.ts'
import { countLess } from './damage.ts'
import type { SqliteDatabase } from './database.ts'

const note = `INSERT OR IGNORE INTO "Damage" ("seq", "id", "topic", "firstSeenAt", "foundAt", "deleted") VALUES (?1, ?2, ?3, ?4, ?4, true)`

/** Deletes a message, and keeps its id and its place. Call it in a transaction. */
export function deleteMessage(writer: SqliteDatabase, id: string, now: number): Deleted | undefined {
  const row = writer.row('SELECT "seq", "topic", length("data") AS "size" FROM "Message" WHERE "id" = ?', id)
  if (row === undefined) return undefined
  const [seq, topic, bytes] = [Number(row.seq), String(row.topic), Number(row.size)]
  writer.run('INSERT OR REPLACE INTO "SeenId" ("id", "seenAt") VALUES (?, ?)', id, now)
  writer.run(note, seq, id, topic, now)
  writer.run('DELETE FROM "Message" WHERE "seq" = ?', seq)
  writer.run(countLess, topic, bytes, now)
  return { seq, bytes }
}
