import type { FastifyInstance } from 'fastify'
import type { DocumentedRoute } from './operation.ts'

/**
 * Refuses routes that are not in the contract, from now on.
 * @returns a check, for when all routes are there: it throws an Error when one of the contract is not
 */
export function keepToContract(app: FastifyInstance, routes: DocumentedRoute[]): () => void {
  const nameOf = ({ method, url }: { method: string | string[]; url: string }) => `${String(method)} ${url}`
  const missing = new Set(routes.map(nameOf))
  app.addHook('onRoute', (options) => {
    if (options.method === 'HEAD' || options.config?.refuses === true) return
    if (!missing.delete(nameOf(options))) throw new Error(`${nameOf(options)} is not in the contract, or is there twice`)
  })
  return () => {
    if (missing.size > 0) throw new Error(`nothing serves ${[...missing].join(', ')}`)
  }
}
