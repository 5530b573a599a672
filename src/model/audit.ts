import { z } from 'zod'

/** An act on the gateway itself, as `GET /v1/audit` shows it. */
export const auditSchema = z
  .object({
    id: z.string().meta({ example: '00gk3v9q2x7m1f3a9c' }),
    at: z.iso.datetime(),
    actor: z
      .string()
      .describe('Id of the token; `operator` for the one of the environment, `sub:…` for a subject, `anyone` without tokens.'),
    act: z.string().describe('The `operationId` of what was asked for.').meta({ example: 'revokeToken' }),
    detail: z.record(z.string(), z.unknown()).describe('What it was asked with, secrets left out, and from which address.'),
  })
  .meta({ id: 'AuditEntry', description: 'Something that was done to the gateway itself; noted before it is done.' })
export type AuditView = z.infer<typeof auditSchema>
