import { z } from 'zod'

/** Actions that a token can allow. Every route and client frame names the action it needs. */
export const actionSchema = z.enum([
  'read',
  'publish',
  'direct',
  'request',
  'serve',
  'validate',
  'dht',
  'peers',
  'consume',
  'webhooks',
  'admin',
])
export type TokenAction = z.infer<typeof actionSchema>
export const tokenActions = actionSchema.options
/** `any` needs a token with any action, `none` no token. */
export type Action = TokenAction | 'any' | 'none'
