import { z } from 'zod'
import { actionSchema } from './action.ts'
import { nameSchema } from './text.ts'
import { topicPatternSchema } from './topic.ts'

const fields = {
  name: nameSchema(100).trim().min(1).describe('For those who read the list of tokens.').meta({ example: 'till 3' }),
  actions: z.array(actionSchema).min(1).max(20).describe('What it allows. `admin` is tokens, blocks, retention and purging.'),
  topics: z.array(topicPatternSchema).min(1).max(100).describe('Topics and patterns that it allows.'),
}

/** What a client asks for. */
export const tokenInputSchema = z.strictObject({
  name: fields.name,
  actions: fields.actions,
  topics: fields.topics.default(['*']),
  expiresAt: z.iso
    .datetime({ offset: true })
    .max(64)
    .optional()
    .describe('From then on it is refused; without it it holds until it is revoked.'),
})
export type TokenInput = z.output<typeof tokenInputSchema>

/** A token without its secret. */
export const tokenSchema = z
  .object({
    id: z.string().meta({ example: 'tok_4k2m9q7x3v5b8n6c' }),
    name: fields.name,
    actions: z.array(z.string()).describe(fields.actions.description ?? ''),
    topics: z.array(z.string()).describe('Topics and patterns that it allows.'),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().nullable().describe('Null when it holds until it is revoked.'),
  })
  .meta({ id: 'Token', description: 'An access token, without its secret.' })
export type TokenView = z.infer<typeof tokenSchema>

export const newTokenSchema = tokenSchema
  .extend({
    secret: z
      .string()
      .describe('What the client sends as `Authorization: Bearer …`. It is shown this once.')
      .meta({ example: 'peergate_Jc1…' }),
  })
  .meta({ id: 'NewToken', description: 'An access token, with its secret.' })
