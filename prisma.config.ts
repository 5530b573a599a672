import { defineConfig } from 'prisma/config'

/** For Prisma's own commands (`prisma migrate status`, `prisma studio`); the gateway reads none of it. */
export default defineConfig({
  schema: 'prisma/sqlite',
  migrations: { path: 'prisma/sqlite/migrations' },
  datasource: { url: process.env['DATABASE_URL'] ?? 'file:./data/peergate.db' },
})
