import { z } from 'zod'
import type { Limits } from '../limits.ts'

/** Retention of a topic: age since storage in milliseconds, number of messages, and bytes of data. 0 means no limit. */
export interface Retention {
  maxAgeMs: number
  maxMessages: number
  maxBytes: number
}

/** Retention of topics without a retention of their own. */
export function defaultRetention(limits: Pick<Limits, 'retentionMaxAgeMs' | 'retentionMaxMessages' | 'retentionMaxBytes'>): Retention {
  return { maxAgeMs: limits.retentionMaxAgeMs, maxMessages: limits.retentionMaxMessages, maxBytes: limits.retentionMaxBytes }
}

export const keeps = z.int().min(0)

/** Retention of a topic, as set by a client. */
export const retentionInputSchema = z
  .strictObject({
    maxAgeMs: keeps.nullable().optional().describe('Maximum age of messages kept, in milliseconds.'),
    maxMessages: keeps.nullable().optional().describe('Maximum number of messages kept.'),
    maxBytes: keeps.nullable().optional().describe('Maximum bytes of data kept.'),
  })
  .meta({
    id: 'RetentionInput',
    description: 'Changes to the retention of a topic: 0 for no limit, null for the default of the gateway. Omitted fields stay unchanged.',
  })

export const retentionSchema = z
  .object({
    maxAgeMs: keeps.describe('Maximum age of messages kept, in milliseconds.'),
    maxMessages: keeps.describe('Maximum number of messages kept.'),
    maxBytes: keeps.describe('Maximum bytes of data kept.'),
  })
  .meta({ id: 'Retention', description: 'Retention of a topic; 0 for no limit. Messages beyond it are pruned, oldest first.' })
