import { z } from 'zod'

/** Something that was looked at to find what would stop a gateway or hold it back. */
export const findingSchema = z
  .object({
    check: z
      .enum(['configuration', 'ports', 'clock', 'disk', 'descriptors', 'database', 'proxy', 'gateway', 'reachability'])
      .describe('What was looked at.'),
    state: z.enum(['ok', 'warning', 'problem']).describe('`problem`: a gateway does not start or does not work with it.'),
    detail: z.string().describe('What was found, in one sentence.'),
    fix: z.string().optional().describe('What to do about it; absent if `state` is `ok`.'),
  })
  .meta({ id: 'Finding' })
export type Finding = z.infer<typeof findingSchema>

/** As returned by `GET /v1/node/findings`. */
export const findingsSchema = z
  .object({ findings: z.array(findingSchema).describe('At least one for each check.') })
  .meta({ id: 'Findings', description: 'What an examination of the gateway found.' })
