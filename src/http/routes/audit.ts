import { z } from 'zod'
import type { Audit } from '../../access/audit.ts'
import { auditSchema } from '../../model/audit.ts'
import { nameSchema } from '../../model/text.ts'
import { auditExample } from '../examples.ts'
import { limitQuery } from '../inputs.ts'
import { type App, declareRoute, json } from '../operation.ts'

const pageSchema = z
  .object({
    items: z.array(auditSchema),
    next: z.string().nullable().describe('Value of `after` for the next page; null on the last page.'),
  })
  .meta({ id: 'AuditPage' })

export const auditContract = {
  listAudit: declareRoute({
    method: 'GET',
    url: '/v1/audit',
    config: {
      operation: {
        action: 'admin',
        operationId: 'listAudit',
        work: 'list',
        summary: 'List the audit log',
        description:
          'Administrative acts, newest first: tokens, blocks, retention, purging. An entry is written before the act, so refused acts are included.',
        tag: 'Access',
        problems: ['store_unavailable'],
      },
    },
    schema: {
      querystring: z.strictObject({
        after: nameSchema(64).optional().describe('Only entries that follow this one in the list.'),
        limit: limitQuery,
      }),
      response: { 200: json('A page of entries.', pageSchema, { items: [auditExample], next: null }) },
    },
  }),
}

export function auditRoutes(app: App, components: { audit: Pick<Audit, 'list'> }): void {
  app.route({
    ...auditContract.listAudit,
    handler: ({ query }) => components.audit.list(query),
  })
}
