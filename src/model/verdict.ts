import { z } from 'zod'

export const verdictSchema = z.enum(['accept', 'ignore', 'reject']).meta({
  id: 'Verdict',
  description:
    '`accept`: it is stored, delivered and forwarded. `ignore`: it is not. `reject`: it is not, and counts against the peer that brought it.',
  example: 'accept',
})
export type Verdict = z.infer<typeof verdictSchema>
