import { z } from 'zod'

/** What a token may allow (API §6). Every route and every client frame names the one it needs; `none` needs no token at all. */
export const actionSchema = z.enum(['read', 'publish', 'direct', 'request', 'serve', 'validate', 'consume', 'dht', 'peers', 'admin'])
export type TokenAction = z.infer<typeof actionSchema>
export const tokenActions = actionSchema.options
/** `any` needs a token, whatever it allows. */
export type Action = TokenAction | 'any' | 'none'
