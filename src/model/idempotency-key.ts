import { z } from 'zod'

/** https://www.ietf.org/archive/id/draft-ietf-httpapi-idempotency-key-header-07.html, which leaves the length to the server. */
export const idempotencyKeySchema = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters')
  .meta({
    id: 'IdempotencyKey',
    description: 'Chosen by the client, unique for each thing to publish, such as a UUID. A repetition is answered, not published again.',
    maxLength: 255,
    example: '8e03978e-40d5-43e8-bc93-6894a57f9324',
  })

/** Milliseconds that idempotency keys are kept. */
export const idempotencyWindowMs = 86_400_000

/** The key has published at another gateway of the same database since it was looked up; nothing was stored. */
export class KeyTaken extends Error {
  override readonly name = 'KeyTaken'
}

/**
 * Where a client's key is unique: no two clients (`clientKey`) share keys, nor do two operations. Clients without a token are their address,
 * so that none learns of, uses up or answers for another's keys; the same client from another address is another one.
 */
export function idempotencyScope(client: string, operation: string): string {
  return `${encodeURIComponent(client)} ${operation}`
}

/** A key as a database knows it; those of one client begin alike. */
export function storedKey({ scope, key }: { scope: string; key: string }): string {
  return `${scope} ${key}`
}
