import { z } from 'zod'
import { actionSchema } from './action.ts'
import { nameSchema } from './text.ts'
import { timeSchema } from './time.ts'
import { everyTopic, topicPatternSchema } from './topic.ts'

const fields = {
  name: nameSchema(100).min(1).describe('Name in the list of tokens.').meta({ example: 'till 3' }),
  actions: z
    .array(actionSchema)
    .min(1)
    .max(20)
    .describe('Actions that the token allows. `admin` covers tokens, blocks, retention and purging.'),
  topics: z.array(topicPatternSchema).min(1).max(100).describe('Topics and patterns that the token allows.'),
}

/** A token as requested by a client. */
export const tokenInputSchema = z
  .strictObject({
    name: fields.name,
    actions: fields.actions,
    topics: fields.topics.default([everyTopic]),
    expiresAt: timeSchema.optional().describe('Time at which the token expires. Default: never.'),
  })
  .meta({ id: 'TokenInput', description: 'A token to create.' })
export type TokenInput = z.output<typeof tokenInputSchema>

export const tokenChangesSchema = z
  .strictObject({ name: fields.name })
  .meta({ id: 'TokenChanges', description: 'What changes of a token.' })

/** A token without its secret. */
export const tokenSchema = z
  .object({
    id: z.string().meta({ example: 'tok_4k2m9q7x3v5b8n6c' }),
    name: fields.name,
    actions: z.array(z.string()).describe(fields.actions.description ?? ''),
    topics: z.array(z.string()).describe('Topics and patterns that the token allows.'),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().nullable().describe('Time at which the token expires; null for never.'),
    lastUsedAt: z.iso
      .datetime()
      .nullable()
      .describe(
        'When the token, or a session opened with it, last began a request or a stream; null for never. Up to a minute late, and ' +
          'for uses at another gateway of the database.',
      ),
  })
  .meta({ id: 'Token', description: 'An access token, without its secret.' })
export type TokenView = z.infer<typeof tokenSchema>

export const newTokenSchema = tokenSchema
  .extend({
    secret: z
      .string()
      .nullable()
      .describe(
        'Secret that the client sends as `Authorization: Bearer …`. It is returned only once: null in the response to a repetition ' +
          'with the same idempotency key.',
      )
      .meta({ example: 'peergate_Jc1…' }),
  })
  .meta({ id: 'TokenWithSecret', description: 'An access token, with its secret.' })

/** The place of a token in the list, which stays when the token is revoked. */
export interface TokenPlace {
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly id: string
}

const place = /^(\d{1,15})\.(\w{1,48})$/

/** `next` of a page of tokens. */
export function formatTokenPlace({ createdAt, id }: TokenPlace): string {
  return `${createdAt}.${id}`
}

export const tokenPlaceSchema = z
  .string()
  .max(64)
  .regex(place, 'must be the `next` of a page')
  .transform((text): TokenPlace => {
    const [, createdAt = '', id = ''] = place.exec(text) ?? []
    return { createdAt: Number(createdAt), id }
  })
