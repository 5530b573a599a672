import type { AppendEntry, KeyedMessages, PublishedItem, PublishedUnderKey } from '../log-append.ts'
import { afterPrefix } from '../shared/after-prefix.ts'
import { withRecipients } from '../shared/published.ts'
import type { SqliteDatabase } from './database.ts'
import { toBytes } from './messages.ts'

/** Keys that have already published. Call it in the transaction of the append. */
export function findTaken(writer: SqliteDatabase, keyed: KeyedMessages[]): KeyedMessages[] {
  return keyed.filter(({ key, since }) => isKeyTaken(writer, key, since))
}

/** Notes what idempotency keys have published. Call it in the transaction of the append. */
export function insertKeys(writer: SqliteDatabase, keyed: KeyedMessages[], entries: AppendEntry[]): void {
  for (const { key, fingerprint, first, count, createdAt } of keyed) {
    const items = entries.slice(first, first + count).map(toItem)
    insertKey(writer, { key, fingerprint, items: JSON.stringify(items), createdAt })
  }
}

/** Notes a key in place of an expired one. Call it in the transaction that makes what it stands for. */
export function insertKey(
  writer: Pick<SqliteDatabase, 'run'>,
  { key, fingerprint, items, createdAt }: { key: string; fingerprint: Uint8Array; items: string; createdAt: number },
): void {
  writer.run(
    'INSERT OR REPLACE INTO "IdempotencyKey" ("key", "fingerprint", "items", "createdAt") VALUES (?, ?, ?, ?)',
    key,
    fingerprint,
    items,
    createdAt,
  )
}

/** Whether the key was noted at or after `since` (age time). */
export function isKeyTaken(database: Pick<SqliteDatabase, 'row'>, key: string, since: number): boolean {
  return database.row('SELECT 1 FROM "IdempotencyKey" WHERE "key" = ? AND "createdAt" >= ?', key, since) !== undefined
}

function toItem({ message }: AppendEntry): PublishedItem {
  if (message === undefined) throw new Error('a message of this node was already stored')
  return { id: message.id, topic: message.topic, seq: message.seq, recipients: 0 }
}

export function findKey(database: SqliteDatabase, key: string, since: number): Omit<PublishedUnderKey, 'epoch'> | undefined {
  const row = database.row('SELECT "fingerprint", "items" FROM "IdempotencyKey" WHERE "key" = ? AND "createdAt" >= ?', key, since)
  if (row === undefined) return undefined
  const items: PublishedItem[] = JSON.parse(String(row.items))
  return { fingerprint: toBytes(row.fingerprint), items }
}

/** Counts keys by index only. */
export function countKeys(database: SqliteDatabase, prefix: string, limit: number): number {
  const counted = `SELECT count(*) AS "keys" FROM (SELECT 1 FROM "IdempotencyKey" WHERE "key" >= ? AND "key" < ? LIMIT ?)`
  return Number(database.row(counted, prefix, afterPrefix(prefix), limit)?.keys ?? 0)
}

export function updateRecipients(writer: SqliteDatabase, key: string, recipients: number[]): void {
  const published = findKey(writer, key, 0)
  if (published === undefined) return
  const items = withRecipients(published.items, recipients)
  writer.run('UPDATE "IdempotencyKey" SET "items" = ? WHERE "key" = ?', JSON.stringify(items), key)
}
