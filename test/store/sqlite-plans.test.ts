import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test, vi } from 'vitest'
import { addFunctions } from '../../src/store/sqlite/functions.ts'
import { storeStatements } from '../fixtures/store-statements.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { sqlitePaths, sqliteStore } from './sqlite-place.ts'

const statements = storeStatements(() => 0)
/** They have one row each. */
const oneRow = ['Log', 'sqlite_sequence']

/** The tables, each with what the planner says, that a statement reads from end to end, or that it sorts. */
function wholeReads(database: DatabaseSync, sql: string): Array<{ table: string; step: string }> {
  const steps = database
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map(({ detail }) => String(detail))
  const tables = [...sql.matchAll(/(?:FROM|JOIN|INTO|UPDATE) (?:`main`\.)?["`](\w+)["`]/g)].map(([, table]) => table ?? '')
  const names = new Map([...sql.matchAll(/["`](\w+)["`] AS ["`]?(\w+)["`]?/g)].map(([, table, name]) => [name ?? '', table ?? '']))
  return steps.flatMap((step) => {
    const [, name] = /^SCAN (\w+)/.exec(step) ?? []
    const table = names.get(name ?? '') ?? name
    if (table !== undefined && tables.includes(table)) return [{ table, step }]
    return step.includes('TEMP B-TREE FOR ORDER BY') ? [{ table: 'sorted', step }] : []
  })
}

describe('a statement of SQLite', () => {
  test.each(statements)('$name looks rows up by an index', async ({ run, whole = {} }) => {
    const directory = await temporaryDirectory()
    await using store = sqliteStore(directory)
    await store.start()
    const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare')
    await run(store)
    const made = prepare.mock.calls.map(([sql]) => sql)
    prepare.mockRestore()
    expect(made).not.toEqual([])
    using database = new DatabaseSync(sqlitePaths(directory).path)
    addFunctions(database)
    const reads = made.flatMap((sql) => wholeReads(database, sql).map((read) => ({ ...read, sql })))
    expect(reads.filter(({ table }) => !(table in whole) && !oneRow.includes(table))).toEqual([])
  })
})
