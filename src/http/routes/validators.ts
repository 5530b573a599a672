import { z } from 'zod'
import { topicSchema } from '../../model/topic.ts'
import { validatorViewSchema } from '../../model/validator.ts'
import type { Validators } from '../../validation/validators.ts'
import { validatorExample } from '../examples.ts'
import { limitQuery } from '../inputs.ts'
import { type App, declareRoute, json } from '../operation.ts'

const validatorPageSchema = z
  .object({
    items: z.array(validatorViewSchema),
    next: topicSchema.nullable().describe('Value of `after` for the next page; null on the last page.'),
  })
  .meta({ id: 'ValidatorPage' })

export const validatorContract = {
  listValidators: declareRoute({
    method: 'GET',
    url: '/v1/validators',
    config: {
      operation: {
        action: 'read',
        topics: 'visible',
        operationId: 'listValidators',
        work: 'list',
        summary: 'List the topics whose messages clients of this gateway judge',
        description:
          'Sorted by topic, in code point order, with the verdicts. Counts begin when a topic gets its first validator, and end with its last. ' +
          'Other gateways of the database have lists of their own.',
        tag: 'Topics',
        problems: [],
      },
    },
    schema: {
      querystring: z.strictObject({ after: topicSchema.optional().describe('Only topics after this one.'), limit: limitQuery }),
      response: { 200: json('A page of judged topics.', validatorPageSchema, { items: [validatorExample], next: null }) },
    },
  }),
}

export function validatorRoutes(app: App, components: { validators: Pick<Validators, 'list'> }): void {
  app.route({
    ...validatorContract.listValidators,
    handler: async ({ query, grant }) => components.validators.list({ ...query, visible: grant.topics }),
  })
}
