import { defineConfig } from 'prisma/config'

/** For Prisma's own commands in this folder (`npx prisma migrate status`, `npx prisma studio`); the gateway reads none of it. */
export default defineConfig({
  schema: 'sqlite',
  migrations: { path: 'sqlite/migrations' },
  datasource: { url: process.env['DATABASE_URL'] ?? 'file:../data/peergate.db' },
})
