/** Audit log: acts on the gateway itself, and their actors. */
export interface AuditStore {
  note(entry: AuditRecord): Promise<void>
  /** Entries before the id `before`, newest first. */
  list(query: { before?: string; limit: number }): Promise<AuditRecord[]>
  /** Removes entries older than `before`, at most `limit`; returns how many. */
  forget(query: { before: number; limit: number }): Promise<number>
}

export interface AuditRecord {
  /** Rises with time. */
  id: string
  /** Milliseconds since 1970. */
  at: number
  /** Id of the grant. */
  actor: string
  act: string
  detail: Record<string, unknown>
}
