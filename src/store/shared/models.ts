import type { PrismaClient } from '../generated/client.ts'

/** The part of Prisma's client in use; the log uses the driver directly. */
export type Models = Pick<
  PrismaClient,
  | 'topic'
  | 'topicJoin'
  | 'peer'
  | 'gateway'
  | 'token'
  | 'idempotencyKey'
  | 'session'
  | 'auditEntry'
  | 'delivery'
  | 'outbox'
  | 'webhook'
  | 'webhookAttempt'
  | '$executeRaw'
  | '$queryRaw'
>
