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
