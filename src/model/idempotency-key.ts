import { z } from 'zod'

/**
 * https://www.ietf.org/archive/id/draft-ietf-httpapi-idempotency-key-header-07.html, which leaves the length to the
 * server.
 */
export const idempotencyKeySchema = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters')
  .meta({
    id: 'IdempotencyKey',
    description:
      'Key chosen by the client, such as a UUID, for a request that it may repeat: within 24 hours a repetition gets the first response, and creates nothing. A key is unique among the publications, among the direct messages, and among the created tokens, of one token (of one address without a token), by REST and on the stream alike.',
    maxLength: 255,
    example: '8e03978e-40d5-43e8-bc93-6894a57f9324',
  })

/** Milliseconds that idempotency keys are kept. */
export const idempotencyWindowMs = 86_400_000

/** Another gateway of the database published under the key since it was looked up. Nothing was stored. */
export class KeyTaken extends Error {
  override readonly name = 'KeyTaken'
}

/** What a key creates once, by whichever operation or frame. */
export type IdempotentKind = 'publish' | 'send' | 'token'

/**
 * The scope in which a key is unique: one client (`clientKey`) and one kind. A client without a token is identified by
 * its address, so that no client reads, uses up or answers for another's keys.
 */
export function idempotencyScope(client: string, kind: IdempotentKind): string {
  return `${encodeURIComponent(client)} ${kind}`
}

/** A key as stored in a database. Keys of one client share a prefix. */
export function storedKey({ scope, key }: { scope: string; key: string }): string {
  return `${scope} ${key}`
}
