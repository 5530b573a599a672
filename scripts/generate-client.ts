import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * Generates the Prisma client of a schema, where the schema says. Generating checks that Prisma's schema engine exists without ever
 * running it, and that binary is a download; any file will do in its place.
 */
export function generateClient(schema: string): void {
  const prisma = createRequire(import.meta.url).resolve('prisma/build/index.js')
  execFileSync(process.execPath, [prisma, 'generate', '--schema', schema, '--no-hints'], {
    cwd: root,
    env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1' },
    stdio: 'pipe',
  })
}

if (import.meta.main) for (const provider of ['sqlite', 'postgresql']) generateClient(join(root, 'prisma', provider))
