import type { FastifyRequest } from 'fastify'
import type { Audit } from '../access/audit.ts'

/**
 * Writes an administrative act to the audit log before it runs.
 * @throws StoreUnavailable, and then the act does not run
 */
export function createAuditHook(components: { audit: Pick<Audit, 'note'> }): (request: FastifyRequest) => Promise<void> {
  return async ({ routeOptions, grant, params, query, body, ip }) => {
    const { operation } = routeOptions.config
    if (operation?.audited !== true) return
    await components.audit.note({ actor: grant.id, act: operation.operationId, detail: { params, query, body, address: ip } })
  }
}
