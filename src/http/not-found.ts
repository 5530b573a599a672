import { METHODS } from 'node:http'
import type { FastifyInstance } from 'fastify'
import findMyWay from 'find-my-way'
import { InvalidRequest, MethodNotAllowed, RouteNotFound, RoutingNotImplemented } from '../errors.ts'
import type { DocumentedRoute } from './operation.ts'

/** Below it, statuses are those of the Delegated Routing V1 API: 501 for a method, 400 for a path. */
const routingPath = '/routing/v1/'

/**
 * Refuses unsupported methods of known paths (405) and unknown paths (404), before any body is read. The paths are in a
 * router of their own: with a Fastify route for each path and method, 3,000, a gateway starts a tenth later.
 */
export function refuseTheRest(app: FastifyInstance, routes: DocumentedRoute[]): void {
  const paths = findMyWay({ maxParamLength: Number.MAX_SAFE_INTEGER })
  for (const [url, there] of Map.groupBy(routes, (route) => route.url)) {
    const allowed = new Set(there.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))
    paths.on('GET', url, () => undefined, { allow: [...allowed].join(', ') })
    if (there.some(({ operation }) => operation.anyOrigin === true)) openToAnyOrigin(app, url, allowed)
  }

  app.addHook('onRequest', async ({ url, is404: isUnserved, routeOptions }, reply) => {
    if (!isUnserved && routeOptions.config.refuses !== true) return
    const isRouting = url.startsWith(routingPath)
    const allow: string | undefined = paths.find('GET', url)?.store.allow
    if (allow === undefined)
      throw isRouting
        ? new InvalidRequest('The Delegated Routing API has no such path.')
        : new RouteNotFound('This path does not exist; GET /docs lists the API.')
    reply.header('allow', allow)
    const Refusal = isRouting ? RoutingNotImplemented : MethodNotAllowed
    throw new Refusal(`This path supports ${allow}.`)
  })
}

/** Routes for the other methods of a path, whose configuration lets pages of all origins read the refusal. */
function openToAnyOrigin(app: FastifyInstance, url: string, allowed: Set<string>): void {
  const others = METHODS.filter((method) => method !== 'CONNECT' && !allowed.has(method))
  for (const method of others) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method)
  app.route({ method: others, url, config: { refuses: true, anyOrigin: true }, handler: () => undefined })
}
