import { execFileSync } from 'node:child_process'

/**
 * Generates the Prisma client from the schema. Generating checks that Prisma's schema engine exists without ever running it, and that
 * binary is a download; any file will do in its place.
 */
for (const provider of ['sqlite']) {
  execFileSync('prisma', ['generate', '--schema', `prisma/${provider}`], {
    env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath },
    stdio: 'inherit',
  })
}
