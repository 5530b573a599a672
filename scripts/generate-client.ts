import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const generated = join(root, 'src/store/generated')

/**
 * Generates Prisma's clients. Both databases have the same models, so that SQLite's types are those of both: of PostgreSQL's client only the class
 * is kept. The files for browsers are not.
 */
function generateClients(): void {
  generateClient(join(root, 'prisma/postgresql'))
  const ofPostgres = readFileSync(join(generated, 'internal/class.ts'))
  generateClient(join(root, 'prisma/sqlite'))
  writeFileSync(join(generated, 'internal/postgresql-class.ts'), ofPostgres)
  for (const file of ['browser.ts', 'internal/prismaNamespaceBrowser.ts']) rmSync(join(generated, file))
}

/**
 * The client of a schema, where the schema says. Generating checks that Prisma's schema engine exists without ever running it, and that binary
 * is a download; any file will do in its place.
 */
function generateClient(schema: string): void {
  const prisma = createRequire(join(root, 'prisma/package.json')).resolve('prisma/build/index.js')
  const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1' }
  for (const args of [['format'], ['generate', '--no-hints']]) {
    execFileSync(process.execPath, [prisma, ...args, '--schema', schema], { cwd: root, env, stdio: 'pipe' })
  }
}

generateClients()
