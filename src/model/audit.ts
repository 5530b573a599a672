import { z } from 'zod'
import { actorSchema } from './actor.ts'

/** An administrative act, as returned by `GET /v1/audit`. */
export const auditSchema = z
  .object({
    id: z.string().meta({ example: '00gk3v9q2x7m1f3a9c' }),
    at: z.iso.datetime(),
    actor: actorSchema,
    act: z.string().describe('The `operationId` of the request.').meta({ example: 'revokeToken' }),
    detail: z
      .record(z.string(), z.unknown())
      .describe('Parameters and body of the request, without secrets, and the address of the client.'),
  })
  .meta({ id: 'AuditEntry', description: 'An administrative act on the gateway, recorded before it runs.' })
export type AuditView = z.infer<typeof auditSchema>
