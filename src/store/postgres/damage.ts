import type { Seq } from '../../model/cursor.ts'
import { messageId } from '../../model/signed-message.ts'
import type { Damaged, Missing, Removed } from '../log-store.ts'
import type { PostgresDatabase, Row } from './database.ts'
import { messageColumns, toRow } from './messages.ts'

/** Describes the rows with these seqs, by their own content. */
export async function describeRows(database: PostgresDatabase, seqs: Seq[]): Promise<Damaged[]> {
  const rows = await database.read(
    `SELECT m."seq", m."id", (SELECT t."name" FROM "Topic" AS t WHERE t."name" = m."topic") FROM "Message" AS m WHERE m."seq" = ANY($1::bigint[])`,
    [seqs],
  )
  return rows.map(toDamaged)
}

/**
 * Takes damaged rows out of the log and notes each, also under the id that its author and sequence number make. Rows
 * that are sound or gone are skipped.
 */
export async function takeOut(database: PostgresDatabase, seqs: Seq[]): Promise<Damaged[]> {
  const rows = await database.read(`SELECT ${messageColumns} FROM "Message" AS m WHERE m."seq" = ANY($1::bigint[])`, [seqs])
  const bad = rows.filter((row) => toRow(row).message === undefined)
  const ids = bad.map(([, , , , author, sequence]) =>
    sequence instanceof Uint8Array && sequence.length === 8 ? messageId(String(author), sequence) : null,
  )
  const taken = await database.write('SELECT * FROM pg_temp.peergate_take_out($1, $2)', [bad.map(([seq]) => seq), ids])
  return taken.map(toDamaged)
}

/** Columns: seq, id, topic. */
export function toDamaged([seq, id, topic]: Row): Damaged {
  return { seq: Number(seq), id: String(id), topic: topic === null ? undefined : String(topic) }
}

/** Columns: seq, id, topic, whether it was deleted. */
export function toRemoved(row: Row): Removed {
  return { ...toDamaged(row), reason: row[3] === true ? 'deleted' : 'damaged' }
}

export async function findMissing(database: PostgresDatabase, { after, limit }: { after: Seq; limit: number }): Promise<Missing[]> {
  const rows = await database.read(
    `SELECT d."seq", d."id", d."topic", d."firstSeenAt" FROM "Damage" AS d
      WHERE d."seq" > $1 AND (d."topic" IS NULL OR d."topic" <> '') AND NOT EXISTS (SELECT 1 FROM "Message" AS m WHERE m."id" = d."id")
        AND NOT EXISTS (SELECT 1 FROM "SeenId" AS s WHERE s."id" = d."id")
      ORDER BY d."seq" LIMIT $2`,
    [after, limit],
  )
  return rows.map(([seq, id, topic, firstSeenAt]) => ({
    seq: Number(seq),
    id: String(id),
    topic: topic === null ? undefined : String(topic),
    firstSeenAt: Number(firstSeenAt),
  }))
}
