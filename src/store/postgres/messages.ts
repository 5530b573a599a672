import type { NewMessage, StoredMessage } from '../../model/message.ts'
import { checksumOf } from '../shared/checksum.ts'
import { type ReadRow, readRow } from '../shared/damage.ts'
import type { PostgresDatabase, Row } from './database.ts'

/** The columns of a message, one list for every query. */
export const messageColumns = [
  'seq',
  'id',
  'topic',
  'recipient',
  'author',
  'sequence',
  'data',
  'dataAbsent',
  'signature',
  'publicKey',
  'receivedAt',
  'firstSeenAt',
  'storedAt',
  'sum',
  'checksum',
]
  .map((name) => `m."${name}"`)
  .join(', ')

/** Reads a row with these columns. */
export function toRow(row: Row): ReadRow {
  return readRow({ seq: row[0], sum: row.at(-2), checksum: row.at(-1), data: row[6] }, () => toMessage(row))
}

function toMessage(row: Row): StoredMessage {
  const [seq, id, topic, recipient, author, sequence, data, dataAbsent, signature, publicKey, receivedAt, firstSeenAt, storedAt] = row
  return {
    seq: Number(seq),
    id: String(id),
    from: String(author),
    sequence: toBytes(sequence),
    topic: String(topic),
    ...(recipient === null ? {} : { to: String(recipient) }),
    data: toBytes(data),
    ...(dataAbsent === true ? { dataAbsent: true } : {}),
    signature: toBytes(signature),
    ...(publicKey === null ? {} : { publicKey: toBytes(publicKey) }),
    receivedAt: Number(receivedAt),
    storedAt: Number(storedAt),
    ...(firstSeenAt === null ? {} : { firstSeenAt: Number(firstSeenAt) }),
  }
}

export function toBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw new Error('a column does not hold bytes')
}

export async function findByIds(database: PostgresDatabase, ids: string[]): Promise<ReadRow[]> {
  const rows = await database.read(`SELECT ${messageColumns} FROM "Message" AS m WHERE m."id" = ANY($1)`, [ids])
  return rows.map(toRow)
}

/** The stored messages among these ids, ordered by seq, up to about `maxBytes` of data. */
export async function findFirst(database: PostgresDatabase, ids: string[], maxBytes: number): Promise<ReadRow[]> {
  const sql = `SELECT ${messageColumns} FROM (
      SELECT f."seq", sum(f.size) OVER (ORDER BY f."seq") - f.size AS before FROM (
        SELECT g."seq", octet_length(g."data")::bigint AS size FROM "Message" AS g WHERE g."id" = ANY($1)) AS f) AS s
    JOIN "Message" AS m USING ("seq") WHERE s.before < $2::bigint ORDER BY m."seq"`
  return (await database.read(sql, [ids, maxBytes])).map(toRow)
}

/** The ids that were never stored or refused. */
export async function findUnknown(database: PostgresDatabase, ids: string[]): Promise<string[]> {
  const rows = await database.read(
    `SELECT i.id FROM unnest($1::text[]) AS i(id) WHERE NOT EXISTS (SELECT 1 FROM "Message" AS m WHERE m."id" = i.id)
      AND NOT EXISTS (SELECT 1 FROM "SeenId" AS s WHERE s."id" = i.id)`,
    [ids],
  )
  return rows.map(([id]) => String(id))
}

/** Messages as the arguments of the append function (functions.ts). */
export function packMessages(messages: NewMessage[]): unknown[] {
  const starts: number[] = []
  const lengths: number[] = []
  const parts: Uint8Array[] = []
  let bytes = 0
  for (const { sequence, signature, publicKey, data } of messages) {
    starts.push(bytes)
    lengths.push(sequence.length, signature.length, publicKey?.length ?? -1, data.length)
    for (const part of [sequence, signature, publicKey, data]) {
      if (part === undefined) continue
      parts.push(part)
      bytes += part.length
    }
  }
  return [
    messages.map(({ id }) => id),
    messages.map(({ topic }) => topic),
    messages.map(({ to }) => to ?? null),
    messages.map(({ from }) => from),
    messages.map(({ receivedAt }) => receivedAt),
    messages.map(({ firstSeenAt }) => firstSeenAt ?? null),
    messages.map(({ storedAt, receivedAt }) => storedAt ?? receivedAt),
    messages.map(({ dataAbsent }) => dataAbsent === true),
    messages.map(checksumOf),
    starts,
    lengths,
    Buffer.concat(parts),
  ]
}
