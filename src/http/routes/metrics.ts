import { z } from 'zod'
import type { Metrics } from '../../telemetry/metrics.ts'
import { type App, noQuery } from '../operation.ts'

export interface MetricRoutesInit {
  /** Whether they need no token, also where there are tokens. */
  isPublic: boolean
}

export function metricRoutes(
  app: App,
  { isPublic }: MetricRoutesInit,
  components: { metrics: Pick<Metrics, 'text' | 'contentType'> },
): void {
  const { metrics } = components

  app.route({
    method: 'GET',
    url: '/metrics',
    config: {
      operation: {
        action: isPublic ? 'none' : 'any',
        operationId: 'getMetrics',
        summary: 'Metrics in the format of Prometheus',
        description:
          'docs/metrics.md lists those of Peergate itself. Where there are tokens, any of them will do, unless PEERGATE_METRICS_PUBLIC is set. ' +
          'They are not here where PEERGATE_METRICS_PORT gives them a port of their own.',
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
