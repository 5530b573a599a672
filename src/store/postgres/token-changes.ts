import { itemsOfKey, type TokenChanges, tokenColumnNames, tokenOfRow, tokenValues } from '../shared/tokens.ts'
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
  const notice = [channel, JSON.stringify({ by: init.origin, kind: 'tokens' })]
  const tell = async (query: Query) => void (await query('SELECT pg_notify($1, $2)', notice))

  function change<Result>(work: (query: Query) => Promise<Result>): Promise<Result> {
    return database().transaction(async (query) => {
      await query(`SELECT pg_advisory_xact_lock(x'5065746b'::int, hashtext(current_schema()))`)
      return await work(query)
    })
  }

  async function all(query: Query) {
    const rows = await query(`SELECT ${columns} FROM "Token"`)
    return rows.map((row) => tokenOfRow(Object.fromEntries(tokenColumnNames.map((name, index) => [name, row[index]]))))
  }

  return {
    add: (token, { check = () => true, key } = {}) =>
      change(async (query) => {
        if (key !== undefined && (await isKeyTaken(query, key.key, key.since))) return 'known'
        if (!check(await all(query))) return 'refused'
        await query(insert, tokenValues(token))
        if (key !== undefined) await insertKey(query, { ...key, items: itemsOfKey(token) })
        await tell(query)
        return 'added'
      }),
    remove: (id, check = () => true) =>
      change(async (query) => {
        const tokens = await all(query)
        if (!tokens.some((token) => token.id === id)) return 'unknown'
        if (!check(tokens)) return 'refused'
        await query('DELETE FROM "Token" WHERE "id" = $1', [id])
        await query('DELETE FROM "Session" WHERE "holder" = $1', [id])
        await tell(query)
        return 'removed'
      }),
    used: async (times) => {
      await database().transaction((query) => query(use, [[...times.keys()], [...times.values()]]))
    },
    removeSession: (id) =>
      database().transaction(async (query) => {
        const removed = await query('DELETE FROM "Session" WHERE "id" = $1 RETURNING "id"', [id])
        if (removed.length > 0) await tell(query)
        return removed.length > 0
      }),
  }
}
