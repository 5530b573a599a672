import { z } from 'zod'
import type { Deliveries } from '../../direct/deliveries.ts'
import type { Limits } from '../../limits.ts'
import { deliverySchema, deliveryStateSchema, expirySchema } from '../../model/delivery.ts'
import { idempotencyKeySchema, idempotencyScope } from '../../model/idempotency-key.ts'
import { decodePayload, payloadInputSchema } from '../../model/payload.ts'
import { nameSchema } from '../../model/text.ts'
import { keyOf } from '../count-requests.ts'
import { deliveryExample } from '../examples.ts'
import { limitQuery, peerIdInput, peerIdParams, timeQuery } from '../inputs.ts'
import { type App, declareRoute, json, noQuery } from '../operation.ts'

const idParams = z.strictObject({ id: nameSchema(64) })
const listSchema = z
  .object({
    items: z.array(deliverySchema),
    next: z
      .string()
      .nullable()
      .describe(
        'Value of `after` for the next page; null on the last page. With `updatedSince`, earlier pages can be short or even empty.',
      ),
  })
  .meta({ id: 'DeliveryPage' })

export function deliveryContract(init: { limits: Pick<Limits, 'maxDeliveryMs'> }) {
  const outgoingSchema = payloadInputSchema
    .extend({ expiresInMs: expirySchema.max(init.limits.maxDeliveryMs).optional() })
    .meta({ id: 'DirectPayload', description: 'The data of a direct message.' })

  return {
    sendToPeer: declareRoute({
      method: 'POST',
      url: '/v1/peers/:peerId/messages',
      config: {
        operation: {
          action: 'direct',
          operationId: 'sendToPeer',
          summary: 'Send a direct message to a peer',
          description:
            'Responds once the message is durably stored and queued. Delivery is attempted, across restarts, until the peer has stored the message, ' +
            'or it expires or is cancelled. Messages to one peer arrive in the order in which they were accepted. The peer need not be known: it is ' +
            'looked up by its id. An `application/octet-stream` body is the data.',
          tag: 'Direct messages',
          rawBody: true,
          problems: [
            'invalid_data',
            'message_too_large',
            'idempotency_key_reused',
            'idempotency_key_limit',
            'outbox_full',
            'store_unavailable',
          ],
        },
      },
      schema: {
        params: peerIdParams,
        headers: z.looseObject({ 'idempotency-key': idempotencyKeySchema.optional() }),
        querystring: noQuery,
        body: outgoingSchema.meta({ example: { data: 'hello' } }),
        response: {
          202: json('The message is queued.', deliverySchema, deliveryExample, {
            Location: 'URL of the delivery.',
            'Idempotent-Replayed': '`true` if this is the response to an earlier request with the same key. Nothing was sent again.',
          }),
        },
      },
    }),
    listDeliveries: declareRoute({
      method: 'GET',
      url: '/v1/deliveries',
      config: {
        operation: {
          action: 'direct',
          cost: 5,
          operationId: 'listDeliveries',
          work: 'list',
          summary: 'List deliveries of direct messages',
          tag: 'Direct messages',
          problems: ['store_unavailable'],
        },
      },
      schema: {
        querystring: z.strictObject({
          state: deliveryStateSchema.optional().describe('Only deliveries in this state.'),
          to: peerIdInput.optional().describe('Only deliveries to this peer.'),
          updatedSince: timeQuery.optional().describe('Only deliveries that changed at or after this time.'),
          after: nameSchema(64).optional().describe('Only deliveries accepted after this one: the `next` of the previous page.'),
          limit: limitQuery,
        }),
        response: {
          200: json('A page of deliveries, in the order in which they were accepted.', listSchema, {
            items: [deliveryExample],
            next: null,
          }),
        },
      },
    }),
    getDelivery: declareRoute({
      method: 'GET',
      url: '/v1/deliveries/:id',
      config: {
        operation: {
          action: 'direct',
          operationId: 'getDelivery',
          summary: 'Get the delivery of a direct message',
          tag: 'Direct messages',
          problems: ['delivery_not_found', 'store_unavailable'],
        },
      },
      schema: { params: idParams, querystring: noQuery, response: { 200: json('The delivery.', deliverySchema, deliveryExample) } },
    }),
    cancelDelivery: declareRoute({
      method: 'DELETE',
      url: '/v1/deliveries/:id',
      config: {
        operation: {
          action: 'direct',
          operationId: 'cancelDelivery',
          summary: 'Cancel a direct message',
          description: 'A delivery that has already ended stays unchanged. A message in transit may still arrive.',
          tag: 'Direct messages',
          problems: ['delivery_not_found', 'store_unavailable'],
        },
      },
      schema: {
        params: idParams,
        querystring: noQuery,
        response: { 200: json('The delivery, with its new state.', deliverySchema, deliveryExample) },
      },
    }),
  }
}

export function deliveryRoutes(
  app: App,
  contract: ReturnType<typeof deliveryContract>,
  components: { deliveries: Pick<Deliveries, 'send' | 'list' | 'get' | 'cancel'> },
): void {
  const { deliveries } = components
  app.route({
    ...contract.sendToPeer,
    handler: async ({ params, body, headers, grant, client }, reply) => {
      const message = Buffer.isBuffer(body)
        ? { data: body }
        : { data: decodePayload(body.data, body.encoding), expiresInMs: body.expiresInMs }
      const key = headers['idempotency-key']
      const sender = keyOf({ grant, client })
      const idempotency = key === undefined ? undefined : { scope: idempotencyScope(sender, 'send'), key }
      const { delivery, replayed } = await deliveries.send({ ...message, client: sender, to: params.peerId, idempotency })
      reply.code(202).header('location', `/v1/deliveries/${delivery.id}`)
      if (replayed) reply.header('idempotent-replayed', 'true')
      return delivery
    },
  })

  app.route({
    ...contract.listDeliveries,
    handler: ({ query }) => deliveries.list(query),
  })

  app.route({
    ...contract.getDelivery,
    handler: ({ params }) => deliveries.get(params.id),
  })

  app.route({
    ...contract.cancelDelivery,
    handler: ({ params }) => deliveries.cancel(params.id),
  })
}
