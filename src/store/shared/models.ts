import type { PrismaClient } from '../generated/client.ts'

/** What is asked of Prisma's client; the log has its own way to the database. */
export type Models = Pick<
  PrismaClient,
  'topic' | 'topicJoin' | 'peer' | 'gateway' | 'token' | 'session' | 'auditEntry' | 'delivery' | 'outbox' | '$executeRaw' | '$queryRaw'
>
