import { z } from 'zod'

export const verdictSchema = z.enum(['accept', 'ignore', 'reject']).meta({
  id: 'Verdict',
  description:
    'Verdict on a message. `accept`: the message is stored, delivered and forwarded. `ignore`: it is dropped. `reject`: it is dropped, and counts against the peer that sent it.',
  example: 'accept',
})
export type Verdict = z.infer<typeof verdictSchema>
