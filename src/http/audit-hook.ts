import type { FastifyRequest } from 'fastify'
import type { Audit } from '../access/audit.ts'

/** Notes an act on the gateway itself before it is done. @throws StoreUnavailable: what can't be noted is not done */
export function createAuditHook(components: { audit: Pick<Audit, 'note'> }): (request: FastifyRequest) => Promise<void> {
  return async ({ routeOptions, grant, params, query, body, ip }) => {
    const { operation } = routeOptions.config
    if (operation?.audited !== true) return
    await components.audit.note({ actor: grant.id, act: operation.operationId, detail: { params, query, body, address: ip } })
  }
}
