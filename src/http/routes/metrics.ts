import { z } from 'zod'
import type { Metrics } from '../../telemetry/metrics.ts'
import { type App, declareRoute, noQuery } from '../operation.ts'

export interface MetricContractInit {
  /** Whether the metrics are public even when tokens exist. */
  isPublic: boolean
}

export function metricContract({ isPublic }: MetricContractInit) {
  return {
    getMetrics: declareRoute({
      method: 'GET',
      url: '/metrics',
      config: {
        operation: {
          action: isPublic ? 'none' : 'any',
          operationId: 'getMetrics',
          summary: 'Get metrics in Prometheus format',
          description:
            'docs/metrics.md lists the metrics of Peergate. Once any token exists, the request needs one, with any action, unless ' +
            'PEERGATE_METRICS_PUBLIC is set. With PEERGATE_METRICS_PORT the metrics are served only on that port.',
          tag: 'Probes',
          problems: ['overloaded'],
          anyHost: true,
        },
      },
      schema: {
        querystring: noQuery,
        response: { 200: { description: 'All metrics.', headers: {}, content: { 'text/plain': { schema: z.string() } } } },
      },
    }),
  }
}

export function metricRoutes(
  app: App,
  contract: ReturnType<typeof metricContract>,
  components: { metrics: Pick<Metrics, 'text' | 'contentType'> },
): void {
  const { metrics } = components

  app.route({
    ...contract.getMetrics,
    handler: async (_request, reply) => {
      reply.type(metrics.contentType)
      return await metrics.text()
    },
  })
}
