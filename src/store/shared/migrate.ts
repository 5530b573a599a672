import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import type { MigrationList } from '@prisma/schema-engine-wasm'
import { StartupError } from '../../lib/startup-error.ts'
import { loadSchemaEngine } from './schema-engine.ts'

/** The database's schema is behind, and the configuration says to leave it. */
export class MigrationPending extends StartupError {
  override readonly name = 'MigrationPending'
}

export interface MigrateInit {
  /** A provider's migrations, one directory each. */
  directory: string
  /** Whether to apply what is missing; otherwise it is an error. */
  apply: boolean
}

export interface MigrateComponents {
  adapter: SqlMigrationAwareDriverAdapterFactory
  /** Names of the migrations that the database has had. */
  applied(): Promise<Set<string>>
  /** Begins a transaction that keeps others from migrating, too. */
  begin: string
}

/**
 * Brings a database up to date, as `prisma migrate deploy` would and in its own table, so that either may go on where the other was.
 * Answers the names of the migrations it applied. Prisma's engine takes 50 ms to load, so it is loaded only when something is missing.
 * @throws MigrationPending
 */
export async function migrate(init: MigrateInit, components: MigrateComponents): Promise<string[]> {
  const applied = await components.applied()
  const pending = (await migrationNames(init.directory)).filter((name) => !applied.has(name))
  if (pending.length === 0) return []
  if (!init.apply)
    throw new MigrationPending(
      `The database lacks the migrations ${pending.join(', ')}. Apply them by: npm run database -- migrate; or set PEERGATE_MIGRATE=true to have it done at start.`,
    )
  const migrationsList = await migrationList(init.directory)
  return await inTransaction(components, async (adapter) => {
    const engine = await loadSchemaEngine(adapter)
    try {
      return (await engine.applyMigrations({ migrationsList, filters: noFilters })).appliedMigrationNames
    } finally {
      engine.free()
    }
  })
}

/**
 * All migrations or none: the engine itself commits statement by statement, and a crash would leave a schema that is neither the old nor
 * the new. A second gateway that starts at the same time waits, and then finds nothing left to do.
 */
async function inTransaction<Result>(
  { adapter: factory, begin }: MigrateComponents,
  work: (adapter: SqlMigrationAwareDriverAdapterFactory) => Promise<Result>,
): Promise<Result> {
  const connection = await factory.connect()
  try {
    await connection.executeScript(begin)
    const result = await work({ ...factory, connect: async () => connection })
    await connection.executeScript('COMMIT')
    return result
  } finally {
    // Closing rolls back what was not committed.
    await connection.dispose()
  }
}

export const noFilters = { externalTables: [], externalEnums: [] }

async function migrationNames(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true })
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted()
}

export async function migrationList(directory: string): Promise<MigrationList> {
  const names = await migrationNames(directory)
  const contents = await Promise.all(names.map((name) => readFile(join(directory, name, 'migration.sql'), 'utf8')))
  return {
    baseDir: directory,
    lockfile: { path: 'migration_lock.toml', content: await readFile(join(directory, 'migration_lock.toml'), 'utf8') },
    shadowDbInitScript: '',
    migrationDirectories: names.map((name, index) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: contents[index] ?? '' } },
    })),
  }
}
