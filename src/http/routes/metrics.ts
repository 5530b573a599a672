import { z } from 'zod'
import type { Metrics } from '../../metrics.ts'
import { type App, noQuery } from '../operation.ts'

export function metricRoutes(app: App, components: { metrics: Pick<Metrics, 'text' | 'contentType'> }): void {
  const { metrics } = components

  app.route({
    method: 'GET',
    url: '/metrics',
    config: {
      operation: {
        action: 'none',
        operationId: 'getMetrics',
        summary: 'Metrics in the format of Prometheus',
        description:
          'docs/metrics.md lists those of Peergate itself. They are not here where PEERGATE_METRICS_PORT gives them a port of their own.',
        tag: 'Probes',
        problems: ['overloaded'],
        anyHost: true,
      },
    },
    schema: {
      querystring: noQuery,
      response: { 200: { description: 'All metrics.', headers: {}, content: { 'text/plain': { schema: z.string() } } } },
    },
    handler: async (_request, reply) => {
      reply.type(metrics.contentType)
      return await metrics.text()
    },
  })
}
