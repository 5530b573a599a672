import { z } from 'zod'

export const errorDetailSchema = z
  .object({
    path: z
      .string()
      .describe('JSON Pointer (RFC 6901) into the body or the frame, or `/<name>` of a parameter or header field; empty for the whole.')
      .meta({ example: '/messages/1/data' }),
    message: z.string().describe('What is wrong with it, for people.').meta({ example: 'must be a string' }),
    multiaddr: z.string().optional().describe('Address that was dialled, with `dial_failed` and `dial_forbidden`.'),
  })
  .meta({ id: 'ErrorDetail', description: 'One problem in a request.' })
