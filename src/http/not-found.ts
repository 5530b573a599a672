import { METHODS } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { MethodNotAllowed, RouteNotFound } from '../errors.ts'
import type { DocumentedRoute } from './operation.ts'

/** Has every path refuse the methods it does not have (405), and everything else not be found (404), before any body is read. */
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
        throw new MethodNotAllowed(`This path answers ${allow}.`)
      },
      handler: () => undefined,
    })
  }

  app.addHook('onRequest', async (request) => {
    if (request.is404) throw new RouteNotFound('There is nothing at this path; GET /docs shows what there is.')
  })
}
