import type { KeyedMessages } from '../log-append.ts'
import type { Query } from './database.ts'

/** The idempotency keys of an append, as arrays of the session's function. */
export function packKeys(keyed: KeyedMessages[]): unknown[] {
  return [
    keyed.map(({ key }) => key),
    keyed.map(({ fingerprint }) => Buffer.from(fingerprint).toString('hex')),
    keyed.map(({ first }) => first),
    keyed.map(({ count }) => count),
    keyed.map(({ createdAt }) => createdAt),
    keyed.map(({ since }) => since),
  ]
}

export function isAmong(key: string, keys: unknown): boolean {
  return Array.isArray(keys) && keys.includes(key)
}

/** Whether the key was noted at or after `since` (age time). */
export async function isKeyTaken(query: Query, key: string, since: number): Promise<boolean> {
  return (await query('SELECT 1 FROM "IdempotencyKey" WHERE "key" = $1 AND "createdAt" >= $2', [key, since])).length > 0
}

/** Notes a key in place of an expired one. Call it in the transaction that makes what it stands for. */
export async function insertKey(
  query: Query,
  { key, fingerprint, items, createdAt }: { key: string; fingerprint: Uint8Array; items: string; createdAt: number },
): Promise<void> {
  await query(
    `INSERT INTO "IdempotencyKey" ("key", "fingerprint", "items", "createdAt") VALUES ($1, $2, $3, $4) ON CONFLICT ("key") DO UPDATE SET
      "fingerprint" = excluded."fingerprint", "items" = excluded."items", "createdAt" = excluded."createdAt"`,
    [key, Buffer.from(fingerprint), items, createdAt],
  )
}
