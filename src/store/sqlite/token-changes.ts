import { itemsOfKey, type TokenChanges, tokenColumnNames, tokenOfRow, tokenValues } from '../shared/tokens.ts'
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
  const all = () => Array.from(writer().rows(`SELECT ${columns} FROM "Token"`), tokenOfRow)

  return {
    add: async (token, { check = () => true, key } = {}) =>
      writer().transaction(() => {
        if (key !== undefined && isKeyTaken(writer(), key.key, key.since)) return 'known'
        if (!check(all())) return 'refused'
        writer().run(insert, ...tokenValues(token))
        if (key !== undefined) insertKey(writer(), { ...key, items: itemsOfKey(token) })
        return 'added'
      }),
    remove: async (id, check = () => true) =>
      writer().transaction(() => {
        const tokens = all()
        if (!tokens.some((token) => token.id === id)) return 'unknown'
        if (!check(tokens)) return 'refused'
        writer().run('DELETE FROM "Token" WHERE "id" = ?', id)
        writer().run('DELETE FROM "Session" WHERE "holder" = ?', id)
        return 'removed'
      }),
    used: async (times) =>
      writer().transaction(() => {
        for (const [id, time] of times) writer().run(use, time, id, time)
      }),
  }
}
