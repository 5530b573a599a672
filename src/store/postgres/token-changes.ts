import { isLastingAdmin, itemsOfKey, type TokenChanges, tokenColumnNames, tokenValues } from '../shared/tokens.ts'
import type { TokenChange } from '../token-store.ts'
import type { PostgresDatabase, Query } from './database.ts'
import { channel } from './functions.ts'
import { insertKey, isKeyTaken } from './keys.ts'

const columns = tokenColumnNames.map((name) => `"${name}"`).join(', ')
const insert = `INSERT INTO "Token" (${columns}) VALUES (${tokenColumnNames.map((_, index) => `$${index + 1}`).join(', ')})`
/** In the order of ids, so that gateways that note the same tokens do not wait for each other in a circle. */
const use = `WITH used AS (
  SELECT "Token"."id", at FROM unnest($1::text[], $2::bigint[]) AS times(id, at) JOIN "Token" ON "Token"."id" = times.id
    WHERE COALESCE("lastUsedAt", 0) < at ORDER BY 1 FOR UPDATE OF "Token")
  UPDATE "Token" SET "lastUsedAt" = used.at FROM used WHERE "Token"."id" = used."id"`

/**
 * One gateway at a time changes tokens: each change sees the result of those before it. The other gateways are notified
 * in the same transaction, so that no gateway honours a revoked token because a separate notification failed.
 */
export function createTokenChanges(
  init: { origin: string },
  components: { database: () => PostgresDatabase },
): TokenChanges & {
  /** Removes a session; false when there was none. */
  removeSession(id: string): Promise<boolean>
} {
  const { database } = components

  async function tell(query: Query, change: TokenChange): Promise<void> {
    await query('SELECT pg_notify($1, $2)', [channel, JSON.stringify({ by: init.origin, kind: 'tokens', ...change })])
  }

  function change<Result>(work: (query: Query) => Promise<Result>): Promise<Result> {
    return database().transaction(async (query) => {
      await query(`SELECT pg_advisory_xact_lock(x'5065746b'::int, hashtext(current_schema()))`)
      return await work(query)
    })
  }

  async function isFull(query: Query, max: number): Promise<boolean> {
    return (await query('SELECT 1 FROM "Token" LIMIT 1 OFFSET $1', [max - 1])).length > 0
  }

  async function remove(query: Query, id: string): Promise<boolean> {
    const removed = await query('DELETE FROM "Token" WHERE "id" = $1 RETURNING 1', [id])
    await query('DELETE FROM "Session" WHERE "holder" = $1', [id])
    if (removed.length > 0) await tell(query, { token: id })
    return removed.length > 0
  }

  /** False when none has expired. */
  async function removeExpired(query: Query, now: number): Promise<boolean> {
    const [[id] = []] = await query('SELECT "id" FROM "Token" WHERE "expiresAt" <= $1 ORDER BY "expiresAt" LIMIT 1', [now])
    return id !== undefined && (await remove(query, String(id)))
  }

  return {
    add: (token, { needsOther = false, max, key } = {}) =>
      change(async (query) => {
        if (key !== undefined && (await isKeyTaken(query, key.key, key.since))) return 'known'
        if (needsOther && !(await isFull(query, 1))) return 'refused'
        if (max !== undefined && (await isFull(query, max)) && !(await removeExpired(query, token.createdAt))) return 'full'
        await query(insert, tokenValues(token))
        if (key !== undefined) await insertKey(query, { ...key, items: itemsOfKey(token) })
        await tell(query, { token: token.id })
        return 'added'
      }),
    remove: (id, { keepsAdmin = false } = {}) =>
      change(async (query) => {
        const isNeeded = keepsAdmin && (await query(`SELECT 1 FROM "Token" WHERE "id" = $1 AND ${isLastingAdmin}`, [id])).length > 0
        if (isNeeded && (await query(`SELECT 1 FROM "Token" WHERE "id" <> $1 AND ${isLastingAdmin} LIMIT 1`, [id])).length === 0)
          return 'refused'
        return (await remove(query, id)) ? 'removed' : 'unknown'
      }),
    used: async (times) => {
      await database().transaction((query) => query(use, [[...times.keys()], [...times.values()]]))
    },
    removeSession: (id) =>
      database().transaction(async (query) => {
        const removed = await query('DELETE FROM "Session" WHERE "id" = $1 RETURNING "id"', [id])
        if (removed.length > 0) await tell(query, { session: id })
        return removed.length > 0
      }),
  }
}
