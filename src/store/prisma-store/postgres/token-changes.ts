import { type TokenChanges, tokenColumnNames, tokenOfRow, tokenValues } from '../tokens.ts'
import type { PostgresDatabase, Query } from './database.ts'

const columns = tokenColumnNames.map((name) => `"${name}"`).join(', ')
const insert = `INSERT INTO "Token" (${columns}) VALUES (${tokenColumnNames.map((_, index) => `$${index + 1}`).join(', ')})`

/** One gateway at a time changes tokens: each change sees what those before it have left. */
export function createTokenChanges(components: { database: () => PostgresDatabase }): TokenChanges {
  const { database } = components

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
    add: (token, check = () => true) =>
      change(async (query) => {
        if (!check(await all(query))) return false
        await query(insert, tokenValues(token))
        return true
      }),
    remove: (id, check = () => true) =>
      change(async (query) => {
        const tokens = await all(query)
        if (!tokens.some((token) => token.id === id)) return 'unknown'
        if (!check(tokens)) return 'refused'
        await query('DELETE FROM "Token" WHERE "id" = $1', [id])
        await query('DELETE FROM "Session" WHERE "holder" = $1', [id])
        return 'removed'
      }),
  }
}
