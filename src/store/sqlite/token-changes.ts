import { isLastingAdmin, itemsOfKey, type TokenChanges, tokenColumnNames, tokenValues } from '../shared/tokens.ts'
import type { SqliteDatabase } from './database.ts'
import { insertKey, isKeyTaken } from './keys.ts'

const columns = tokenColumnNames.map((name) => `"${name}"`).join(', ')
const insert = `INSERT INTO "Token" (${columns}) VALUES (${tokenColumnNames.map(() => '?').join(', ')})`
const use = 'UPDATE "Token" SET "lastUsedAt" = ? WHERE "id" = ? AND COALESCE("lastUsedAt", 0) < ?'

/**
 * Token changes in transactions of the writer, which also lock out other processes, such as the command that creates
 * tokens.
 */
export function createTokenChanges(components: { writer: () => SqliteDatabase }): TokenChanges {
  const { writer } = components

  function isFull(max: number): boolean {
    return writer().row('SELECT 1 FROM "Token" LIMIT 1 OFFSET ?', max - 1) !== undefined
  }

  function remove(id: string): boolean {
    const { changes } = writer().run('DELETE FROM "Token" WHERE "id" = ?', id)
    writer().run('DELETE FROM "Session" WHERE "holder" = ?', id)
    return changes > 0
  }

  /** False when none has expired. */
  function removeExpired(now: number): boolean {
    const id = writer().row('SELECT "id" FROM "Token" WHERE "expiresAt" <= ? ORDER BY "expiresAt" LIMIT 1', now)?.id
    return id !== undefined && remove(String(id))
  }

  return {
    add: async (token, { needsOther = false, max, key } = {}) =>
      writer().transaction(() => {
        if (key !== undefined && isKeyTaken(writer(), key.key, key.since)) return 'known'
        if (needsOther && !isFull(1)) return 'refused'
        if (max !== undefined && isFull(max) && !removeExpired(token.createdAt)) return 'full'
        writer().run(insert, ...tokenValues(token))
        if (key !== undefined) insertKey(writer(), { ...key, items: itemsOfKey(token) })
        return 'added'
      }),
    remove: async (id, { keepsAdmin = false } = {}) =>
      writer().transaction(() => {
        const isNeeded = keepsAdmin && writer().row(`SELECT 1 FROM "Token" WHERE "id" = ? AND ${isLastingAdmin}`, id) !== undefined
        if (isNeeded && writer().row(`SELECT 1 FROM "Token" WHERE "id" <> ? AND ${isLastingAdmin} LIMIT 1`, id) === undefined)
          return 'refused'
        return remove(id) ? 'removed' : 'unknown'
      }),
    used: async (times) =>
      writer().transaction(() => {
        for (const [id, time] of times) writer().run(use, time, id, time)
      }),
  }
}
