import type { Seq } from '../../model/cursor.ts'
import type { StoredMessage } from '../../model/message.ts'
import { type ReadRow, readRow } from '../shared/damage.ts'
import type { Row, SqliteDatabase } from './database.ts'

/** Numbers that damage may have made too large for JavaScript, at which the driver would fail. */
const numbers = ['receivedAt', 'firstSeenAt', 'storedAt', 'checksum', 'sum'].map((name) => `CAST("${name}" AS REAL) AS "${name}"`)

/** The columns of a message, one list for every query. */
export const messageColumns = [
  '"seq", "id", "topic", "recipient", "author", "sequence", "data", "dataAbsent", "signature", "publicKey"',
  ...numbers,
].join(', ')

/** True for a row whose seq or times were damaged on disk (checksum.ts). */
export const sumIsWrong = '("sum" IS NOT "seq" + "receivedAt" + "storedAt" + coalesce("firstSeenAt", 0))'

export function findById(database: SqliteDatabase, id: string): ReadRow | undefined {
  const row = database.row(`SELECT ${messageColumns} FROM "Message" WHERE "id" = ?`, id)
  return row === undefined ? undefined : toRow(row)
}

export function findBySeq(database: SqliteDatabase, seq: Seq): ReadRow | undefined {
  const row = database.row(`SELECT ${messageColumns} FROM "Message" WHERE "seq" = ?`, seq)
  return row === undefined ? undefined : toRow(row)
}

/**
 * The stored messages among these ids, ordered by seq, up to about `maxBytes` of data. Data beyond that is not read.
 */
export function findByIds(database: SqliteDatabase, ids: string[], maxBytes: number): ReadRow[] {
  const sizes = database.rows(
    `SELECT "seq", length("data") AS "size" FROM "Message" WHERE "id" IN (SELECT value FROM json_each(?)) ORDER BY "seq"`,
    JSON.stringify(ids),
  )
  const seqs: number[] = []
  let bytes = 0
  for (const { seq, size } of sizes) {
    if (seqs.length > 0 && bytes >= maxBytes) break
    seqs.push(Number(seq))
    bytes += Number(size)
  }
  const rows = database.rows(
    `SELECT ${messageColumns} FROM "Message" WHERE "seq" IN (SELECT value FROM json_each(?)) ORDER BY "seq"`,
    JSON.stringify(seqs),
  )
  return Array.from(rows, toRow)
}

/** The ids that were never stored or refused. */
export function findUnknown(database: SqliteDatabase, ids: string[]): string[] {
  const rows = database.rows(
    `SELECT value AS "id" FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM "Message" WHERE "id" = value)
      AND NOT EXISTS (SELECT 1 FROM "SeenId" WHERE "id" = value)`,
    JSON.stringify(ids),
  )
  return Array.from(rows, ({ id }) => String(id))
}

export function toRow(row: Row): ReadRow {
  return readRow({ seq: row.seq, sum: row.sum, checksum: row.checksum, data: row.data }, () => toMessage(row))
}

function toMessage(row: Row): StoredMessage {
  const publicKey = row.publicKey
  return {
    seq: Number(row.seq),
    id: String(row.id),
    from: String(row.author),
    sequence: toBytes(row.sequence),
    topic: String(row.topic),
    ...(row.recipient === null ? {} : { to: String(row.recipient) }),
    data: toBytes(row.data),
    ...(row.dataAbsent === 1 ? { dataAbsent: true } : {}),
    signature: toBytes(row.signature),
    ...(publicKey === null ? {} : { publicKey: toBytes(publicKey) }),
    receivedAt: Number(row.receivedAt),
    storedAt: Number(row.storedAt),
    ...(row.firstSeenAt === null ? {} : { firstSeenAt: Number(row.firstSeenAt) }),
  }
}

export function toBytes(value: Row[string] | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw new Error('a column does not hold bytes')
}
