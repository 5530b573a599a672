import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const generated = join(root, 'src/store/generated')

/**
 * Generates the Prisma clients. Both databases have the same models, so SQLite's types serve both: of PostgreSQL's
 * client only the class is kept. The files for browsers are removed.
 */
function generateClients(): void {
  generateClient(join(root, 'prisma/postgresql'))
  const ofPostgres = readFileSync(join(generated, 'internal/class.ts'))
  generateClient(join(root, 'prisma/sqlite'))
  writeFileSync(join(generated, 'internal/postgresql-class.ts'), ofPostgres)
  for (const file of ['browser.ts', 'internal/prismaNamespaceBrowser.ts']) rmSync(join(generated, file))
}

/**
 * Generates the client of a schema, at the path in the schema. Prisma checks that its schema engine exists, but does
 * not run it. The engine would be a download, so another existing file takes its place.
 */
function generateClient(schema: string): void {
  const prisma = createRequire(join(root, 'prisma/package.json')).resolve('prisma/build/index.js')
  const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1' }
  for (const args of [['format'], ['generate', '--no-hints']]) {
    execFileSync(process.execPath, [prisma, ...args, '--schema', schema], { cwd: root, env, stdio: 'pipe' })
  }
}

generateClients()
