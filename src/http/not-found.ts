import { METHODS } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { MethodNotAllowed, RouteNotFound } from '../errors.ts'
import type { DocumentedRoute } from './operation.ts'

/** Refuses unsupported methods of known paths (405) and unknown paths (404), before any body is read. */
export function refuseTheRest(app: FastifyInstance, routes: DocumentedRoute[]): void {
  const methods = METHODS.filter((method) => method !== 'CONNECT')
  for (const method of methods) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method)

  const byUrl = Map.groupBy(routes, (route) => route.url)
  for (const [url, there] of byUrl) {
    const allowed = new Set(there.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))
    const allow = [...allowed].join(', ')
    app.route({
      method: methods.filter((method) => !allowed.has(method)),
      url,
      config: { refuses: true },
      onRequest: async (_request, reply) => {
        reply.header('allow', allow)
        throw new MethodNotAllowed(`This path supports ${allow}.`)
      },
      handler: () => undefined,
    })
  }

  app.addHook('onRequest', async (request) => {
    if (request.is404) throw new RouteNotFound('This path does not exist; GET /docs lists the API.')
  })
}
