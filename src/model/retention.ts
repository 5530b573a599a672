import { z } from 'zod'
import type { Limits } from '../limits.ts'
/** What a topic keeps: by age (since it was stored, in milliseconds), by number, and by bytes of data. 0 is without limit. */
export interface Retention {
  maxAgeMs: number
  maxMessages: number
  maxBytes: number
}

/** What topics keep that have no limits of their own. */
export function defaultRetention(limits: Pick<Limits, 'retentionMaxAgeMs' | 'retentionMaxMessages' | 'retentionMaxBytes'>): Retention {
  return { maxAgeMs: limits.retentionMaxAgeMs, maxMessages: limits.retentionMaxMessages, maxBytes: limits.retentionMaxBytes }
}

export const keeps = z.int().min(0)

/** What a topic keeps, as a client sets it. */
export const retentionInputSchema = z
  .strictObject({
    maxAgeMs: keeps.nullable().optional().describe('Messages are kept for so many milliseconds.'),
    maxMessages: keeps.nullable().optional().describe('So many messages are kept.'),
    maxBytes: keeps.nullable().optional().describe('So many bytes of data are kept.'),
  })
  .meta({ id: 'RetentionInput', description: '0 is without limit, null the default of the gateway; what is left out stays as it is.' })

export const retentionSchema = z
  .object({
    maxAgeMs: keeps.describe('Messages are kept for so many milliseconds.'),
    maxMessages: keeps.describe('So many messages are kept.'),
    maxBytes: keeps.describe('So many bytes of data are kept.'),
  })
  .meta({ id: 'Retention', description: 'What is kept; 0 is without limit. What is more is pruned, oldest first.' })
