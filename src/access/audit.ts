import { createMonotonicIds } from '../lib/monotonic-id.ts'
import { type Page, pageOf } from '../lib/page.ts'
import type { AuditView } from '../model/audit.ts'
import type { AuditStore } from '../store/audit-store.ts'

/** The audit log of administrative actions. Each is recorded before it is carried out, so that none is missing. */
export interface Audit {
  /** @throws StoreUnavailable */
  note(entry: { actor: string; act: string; detail: Record<string, unknown> }): Promise<void>
  /** A page, newest first, exclusive of `after`. */
  list(query: { after?: string | undefined; limit: number }): Promise<Page<AuditView>>
}

/** @param components.now age time, by which entries are deleted; `toWall` converts it to the time that clients see */
export function createAudit(components: { store: AuditStore; now?: () => number; toWall?: (age: number) => number }): Audit {
  const { store, now = Date.now, toWall = (age) => age } = components
  const nextId = createMonotonicIds({ now })

  return {
    note: (entry) => store.note({ id: nextId(), at: now(), ...entry }),
    async list({ after, limit }) {
      const entries = await store.list({ ...(after === undefined ? {} : { before: after }), limit: limit + 1 })
      const views = entries.map(({ at, ...entry }) => ({ ...entry, at: new Date(toWall(at)).toISOString() }))
      return pageOf(views, limit, ({ id }) => id)
    },
  }
}
