import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import type { MigrationList } from '@prisma/schema-engine-wasm'
import { ownCommand } from '../../lib/own-command.ts'
import { StartupError } from '../../lib/startup-error.ts'
import { loadSchemaEngine } from './schema-engine.ts'

/** Migrations are missing, and the configuration forbids applying them. */
export class MigrationPending extends StartupError {
  override readonly name = 'MigrationPending'
}

export interface MigrateInit {
  /** Directory with the provider's migrations, one subdirectory each. */
  directory: string
  /** Whether to apply missing migrations; otherwise they are an error. */
  apply: boolean
}

export interface MigrateComponents {
  adapter: SqlMigrationAwareDriverAdapterFactory
  /** Names of the applied migrations. */
  applied(): Promise<Set<string>>
  /** Statement that begins a transaction that also locks out other migrators. */
  begin: string
}

/**
 * Applies missing migrations as `prisma migrate deploy` would, recorded in the same table, so that either tool can
 * continue after the other. Returns the names of the applied migrations. Prisma's engine takes 50 ms to load, so it is
 * loaded only when a migration is missing.
 * @throws MigrationPending
 */
export async function migrate(init: MigrateInit, components: MigrateComponents): Promise<string[]> {
  const applied = await components.applied()
  const pending = (await migrationNames(init.directory)).filter((name) => !applied.has(name))
  if (pending.length === 0) return []
  if (!init.apply)
    throw new MigrationPending(
      `The database lacks the migrations ${pending.join(', ')}. Apply them with: ${ownCommand('database migrate')}; or set PEERGATE_MIGRATE=true to apply them at start.`,
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
 * Applies all migrations or none: the engine itself commits each statement, and a crash would leave a schema that is
 * neither old nor new. A second gateway that starts at the same time waits, and then finds nothing to do.
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
    // Closing rolls back an uncommitted transaction.
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
