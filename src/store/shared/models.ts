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

/** Runs a statement whose commit need not be on disk when it returns: a power loss may undo it. */
export type Turn = <Result>(statement: () => PromiseLike<Result>) => Promise<Result>
