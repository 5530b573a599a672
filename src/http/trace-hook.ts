import type { Span } from '@opentelemetry/api'
import type { FastifyInstance } from 'fastify'
import { failSpan, traceRequest } from '../telemetry/tracing.ts'

declare module 'fastify' {
  interface FastifyRequest {
    span: Span | undefined
  }
}

/** Creates a span for each request of an operation, active while the request is handled. */
export function traceRequests(app: FastifyInstance): void {
  app.decorateRequest('span')
  app.addHook('onRequest', (request, _reply, done) => {
    const { operation } = request.routeOptions.config
    // A stream lasts too long for a span.
    if (operation === undefined || request.ws === true) {
      done()
      return
    }
    const attributes = { 'http.request.method': request.method, 'http.route': request.routeOptions.url ?? '' }
    const traced = traceRequest(operation.operationId, request.headers, attributes)
    request.span = traced?.span
    if (traced === undefined) done()
    else traced.run(done)
  })
  app.addHook('onError', async ({ span }, _reply, error) => {
    if (span !== undefined) failSpan(span, error)
  })
  app.addHook('onResponse', async ({ span }, reply) => {
    span?.setAttribute('http.response.status_code', reply.statusCode)
    span?.end()
  })
}
