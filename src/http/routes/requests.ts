import { z } from 'zod'
import type { Limits } from '../../limits.ts'
import { decodePayload, encodePayload, payloadInputSchema, payloadSchema } from '../../model/payload.ts'
import { serviceSchema } from '../../model/service.ts'
import type { Services } from '../../services/services.ts'
import { clientSignal } from '../client-signal.ts'
import { keyOf } from '../count-requests.ts'
import { peerIdInput } from '../inputs.ts'
import { type App, declareRoute, json, noQuery } from '../operation.ts'

export function requestContract(init: { limits: Pick<Limits, 'requestTimeoutMs'> }) {
  const requestSchema = payloadInputSchema
    .extend({
      timeoutMs: z
        .int()
        .min(1)
        .max(init.limits.requestTimeoutMs)
        .optional()
        .describe('Maximum time to wait for the response, in milliseconds. Default: `requestMs`, ten seconds.'),
    })
    .meta({ id: 'ServiceRequest', description: 'The data of a request to a service.' })

  return {
    requestService: declareRoute({
      method: 'POST',
      url: '/v1/peers/:peerId/requests/:service',
      config: {
        operation: {
          action: 'request',
          cost: 2,
          operationId: 'requestService',
          summary: 'Send a request to a service of a peer',
          description:
            'Waits for the response of a client that provides the service at that peer (`serve`, docs/stream-protocol.md); the peer can be this gateway. ' +
            'The response has the encoding of the request, where its bytes allow it. ' +
            'A request is sent once and never retried: after `request_timeout` and `service_gone` its outcome is unknown. Disconnecting cancels the ' +
            'request. An `application/octet-stream` body is the data.',
          repetition:
            'A repetition is another request: if it must not take effect twice, put an id into the data by which the service recognises it.',
          tag: 'Services',
          rawBody: true,
          problems: [
            ...['invalid_data', 'message_too_large', 'peer_not_found', 'peer_blocked', 'dial_failed'],
            ...[
              'service_not_found',
              'service_busy',
              'service_gone',
              'service_error',
              'request_timeout',
              'store_unavailable',
              'peer_not_connected',
            ],
          ],
        },
      },
      schema: {
        params: z.strictObject({ peerId: peerIdInput, service: serviceSchema }),
        querystring: noQuery,
        body: requestSchema.meta({ example: { data: { symbol: 'XMR' }, encoding: 'json' } }),
        response: {
          200: json('The response of the service.', payloadSchema.meta({ id: 'ServiceAnswer' }), {
            data: { price: 151 },
            encoding: 'json',
          }),
        },
      },
    }),
  }
}

export function requestRoutes(
  app: App,
  contract: ReturnType<typeof requestContract>,
  components: { services: Pick<Services, 'request'> },
): void {
  const { services } = components
  app.route({
    ...contract.requestService,
    handler: async ({ params: { peerId: to, service }, body, grant, client }, reply) => {
      const request = Buffer.isBuffer(body) ? { data: body } : { data: decodePayload(body.data, body.encoding), timeoutMs: body.timeoutMs }
      const answer = await services.request({ ...request, client: keyOf({ grant, client }), to, service }, { signal: clientSignal(reply) })
      return encodePayload(answer, Buffer.isBuffer(body) ? undefined : body.encoding)
    },
  })
}
