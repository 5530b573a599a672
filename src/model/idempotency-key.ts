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
      'Key chosen by the client, unique per publication, such as a UUID. A repeated request gets the first response, and publishes nothing.',
    maxLength: 255,
    example: '8e03978e-40d5-43e8-bc93-6894a57f9324',
  })

/** Milliseconds that idempotency keys are kept. */
export const idempotencyWindowMs = 86_400_000

/** Another gateway of the database published under the key since it was looked up. Nothing was stored. */
export class KeyTaken extends Error {
  override readonly name = 'KeyTaken'
}

/**
 * The scope in which a key is unique: one client (`clientKey`) and one operation. A client without a token is
 * identified by its address, so that no client reads, uses up or answers for another's keys.
 */
export function idempotencyScope(client: string, operation: string): string {
  return `${encodeURIComponent(client)} ${operation}`
}

/** A key as stored in a database. Keys of one client share a prefix. */
export function storedKey({ scope, key }: { scope: string; key: string }): string {
  return `${scope} ${key}`
}
