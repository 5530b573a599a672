import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import type { DiffTarget } from '@prisma/schema-engine-wasm'
import { PrismaSqlite } from 'prisma-adapter-sqlite'
import { describe, expect, test } from 'vitest'
import { migrationList, noFilters } from '../../src/store/shared/migrate.ts'
import { loadSchemaEngine } from '../../src/store/shared/schema-engine.ts'

const root = fileURLToPath(new URL('../../prisma', import.meta.url))

type Provider = 'sqlite' | 'postgresql'

async function models(provider: Provider): Promise<DiffTarget> {
  const paths = ['schema.prisma', 'models.prisma']
  const files = await Promise.all(paths.map(async (path) => ({ path, content: await readFile(join(root, provider, path), 'utf8') })))
  return { tag: 'schemaDatamodel', files }
}

/** The SQL that leads from one to the other. */
async function difference(adapter: SqlMigrationAwareDriverAdapterFactory, from: DiffTarget, to: DiffTarget): Promise<string> {
  const engine = await loadSchemaEngine(adapter)
  const { stdout } = await engine.diff({ from, to, script: true, exitCode: null, filters: noFilters })
  return stdout ?? ''
}

/** Memory, whose connections take a whole script as one statement, as the engine gives migrations to a shadow database. */
function memory(): SqlMigrationAwareDriverAdapterFactory {
  const factory = new PrismaSqlite({ url: ':memory:' })
  return {
    provider: factory.provider,
    adapterName: factory.adapterName,
    connect: () => factory.connect(),
    async connectToShadowDb() {
      const connection = await factory.connectToShadowDb()
      connection.executeRaw = async ({ sql }) => {
        await connection.executeScript(sql)
        return 0
      }
      return connection
    },
  }
}

async function migration(provider: Provider): Promise<string> {
  const { migrationDirectories } = await migrationList(join(root, provider, 'migrations'))
  expect(migrationDirectories).toHaveLength(1)
  const content = migrationDirectories[0]?.migrationFile.content
  if (content?.tag !== 'ok') throw new Error('the migration could not be read')
  return content.value
}

const statements = (sql: string) => sql.replaceAll(/^--.*\n/gm, '').trim()

describe('the migrations', () => {
  // Prisma has no word for the one difference: only an INTEGER of SQLite can be an AUTOINCREMENT, and a BigInt is a BIGINT to it.
  test('of SQLite make what the models describe, but for a seq that is never given twice', async () => {
    const made = await difference(memory(), { tag: 'empty' }, await models('sqlite'))
    const expected = made.replace('"seq" BIGINT NOT NULL PRIMARY KEY,', '"seq" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,')
    expect(expected).not.toBe(made)
    expect(statements(await migration('sqlite'))).toBe(statements(expected))
  })

  test('of SQLite run, and leave no more than that difference', async () => {
    const from: DiffTarget = { tag: 'migrations', ...(await migrationList(join(root, 'sqlite', 'migrations'))) }
    const left = await difference(memory(), from, await models('sqlite'))
    expect([...left.matchAll(/CREATE TABLE "(\w+)"/g)].map(([, table]) => table)).toEqual(['new_Message'])
    expect(left).not.toMatch(/ALTER TABLE "(?!new_Message)/)
  })

  // The dialect comes from the schema, and nothing is asked of the database, so that any will do.
  test('of PostgreSQL make what the models describe, but for the order of texts', async () => {
    const made = await difference(memory(), { tag: 'empty' }, await models('postgresql'))
    expect(statements(await migration('postgresql'))).toBe(statements(made.replaceAll(' TEXT', ' TEXT COLLATE "C"')))
  })

  test('of both providers have the same names', async () => {
    const names = async (provider: Provider) =>
      (await migrationList(join(root, provider, 'migrations'))).migrationDirectories.map(({ path }) => path)
    expect(await names('postgresql')).toEqual(await names('sqlite'))
  })
})
