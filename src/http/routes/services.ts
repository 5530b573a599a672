import { z } from 'zod'
import { serviceSchema, serviceViewSchema } from '../../model/service.ts'
import type { Services } from '../../services/services.ts'
import { serviceExample } from '../examples.ts'
import { limitQuery } from '../inputs.ts'
import { type App, declareRoute, json } from '../operation.ts'

const servicePageSchema = z
  .object({
    items: z.array(serviceViewSchema),
    next: serviceSchema.nullable().describe('Value of `after` for the next page; null on the last page.'),
  })
  .meta({ id: 'ServicePage' })

export const serviceContract = {
  listServices: declareRoute({
    method: 'GET',
    url: '/v1/services',
    config: {
      operation: {
        action: 'read',
        operationId: 'listServices',
        work: 'list',
        summary: 'List the services that clients of this gateway provide',
        description:
          'Sorted by name, with what is done and what waits. Counts begin when a service gets its first provider, and end with its last. ' +
          'Other gateways of the database have lists of their own.',
        tag: 'Services',
        problems: [],
      },
    },
    schema: {
      querystring: z.strictObject({ after: serviceSchema.optional().describe('Only services after this one.'), limit: limitQuery }),
      response: { 200: json('A page of services.', servicePageSchema, { items: [serviceExample], next: null }) },
    },
  }),
}

export function serviceRoutes(app: App, components: { services: Pick<Services, 'list'> }): void {
  app.route({ ...serviceContract.listServices, handler: async ({ query }) => components.services.list(query) })
}
