import { z } from 'zod'

/** What a token may allow (API §6). Every route and every client frame names the one it needs; `none` needs no token at all. */
export const actionSchema = z.enum(['read', 'publish', 'direct', 'request', 'serve', 'validate', 'consume', 'dht', 'peers', 'admin'])
export type Action = z.infer<typeof actionSchema> | 'none'
