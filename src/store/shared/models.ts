import type { PrismaClient as PostgresClient } from '../generated/postgresql/client.ts'
import type { PrismaClient as SqliteClient } from '../generated/sqlite/client.ts'

/** What Prisma's clients of both databases have in common. */
export type Models = Pick<
  SqliteClient,
  'topic' | 'topicJoin' | 'peer' | 'gateway' | 'token' | 'session' | 'auditEntry' | 'delivery' | 'outbox' | '$executeRaw' | '$queryRaw'
>

/** The compiler can't see that two clients that were generated from the same models take the same arguments. */
export function modelsOf(client: PostgresClient): Models {
  return client as unknown as Models
}
