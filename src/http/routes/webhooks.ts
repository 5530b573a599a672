import type { Rates } from '../../access/rates.ts'
import type { Webhooks } from '../../webhooks/webhooks.ts'
import { clientSignal } from '../client-signal.ts'
import { keyOf } from '../count-requests.ts'
import type { App } from '../operation.ts'
import { pageOptions } from '../page-options.ts'
import { webhookContract } from './webhook-contract.ts'

export function webhookRoutes(
  app: App,
  components: { webhooks: Omit<Webhooks, 'start' | 'stop' | 'active'>; rates: Pick<Rates, 'take'> },
): void {
  const { webhooks, rates } = components

  app.route({
    ...webhookContract.createWebhook,
    handler: async ({ body, grant, client }, reply) => {
      const webhook = await webhooks.create(body, {
        grant,
        client: keyOf({ grant, client }),
        by: pageOptions({ grant, client }, reply, rates),
      })
      reply.code(201).header('location', `/v1/webhooks/${webhook.id}`)
      return webhook
    },
  })

  app.route({
    ...webhookContract.listWebhooks,
    handler: ({ query, grant }) => webhooks.list(query, grant),
  })

  app.route({
    ...webhookContract.getWebhook,
    handler: ({ params, grant }) => webhooks.get(params.id, grant),
  })

  app.route({
    ...webhookContract.changeWebhook,
    handler: ({ params, body, grant, client }, reply) =>
      webhooks.change(params.id, body, grant, pageOptions({ grant, client }, reply, rates)),
  })

  app.route({
    ...webhookContract.deleteWebhook,
    handler: async ({ params, grant }, reply) => {
      await webhooks.remove(params.id, grant)
      return reply.code(204).send()
    },
  })

  app.route({
    ...webhookContract.rotateWebhookSecret,
    handler: ({ params, grant }) => webhooks.rotate(params.id, grant),
  })

  app.route({
    ...webhookContract.testWebhook,
    handler: ({ params, grant }, reply) => webhooks.test(params.id, grant, clientSignal(reply)),
  })

  app.route({
    ...webhookContract.listWebhookAttempts,
    handler: async ({ params, grant }) => ({ items: await webhooks.attempts(params.id, grant) }),
  })
}
