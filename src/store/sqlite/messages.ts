import type { Seq } from '../../model/cursor.ts'
import type { StoredMessage } from '../../model/message.ts'
import { type ReadRow, readRow } from '../shared/damage.ts'
import type { Row, SqliteDatabase } from './database.ts'

/** Numbers that a disk may have made larger than one of JavaScript can be, at which the driver would fail. */
const numbers = ['receivedAt', 'firstSeenAt', 'storedAt', 'checksum', 'sum'].map((name) => `CAST("${name}" AS REAL) AS "${name}"`)

/** The columns that make a message, in one list for every query. */
export const messageColumns = [
  '"seq", "id", "topic", "recipient", "author", "sequence", "data", "dataAbsent", "signature", "publicKey"',
  ...numbers,
].join(', ')

/** Of a row whose place or times the disk has changed (checksum.ts). */
export const sumIsWrong = '("sum" IS NOT "seq" + "receivedAt" + "storedAt" + coalesce("firstSeenAt", 0))'

export function findById(database: SqliteDatabase, id: string): ReadRow | undefined {
  const row = database.row(`SELECT ${messageColumns} FROM "Message" WHERE "id" = ?`, id)
  return row === undefined ? undefined : toRow(row)
}

export function findBySeq(database: SqliteDatabase, seq: Seq): ReadRow | undefined {
  const row = database.row(`SELECT ${messageColumns} FROM "Message" WHERE "seq" = ?`, seq)
  return row === undefined ? undefined : toRow(row)
}

/** Those of the ids that are there, in the order of their numbers, up to about so many bytes of data. No more data is read than is answered. */
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

/** Those of the ids that nobody has brought yet. */
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
  throw new Error('a column that holds bytes holds something else')
}
