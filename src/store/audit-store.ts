/** What was done to the gateway itself, and by whom. */
export interface AuditStore {
  note(entry: AuditRecord): Promise<void>
  /** The newest first; those before the id `before`. */
  list(query: { before?: string; limit: number }): Promise<AuditRecord[]>
  /** Forgets what is older, at most `limit`; answers how many. */
  forget(query: { before: number; limit: number }): Promise<number>
}

export interface AuditRecord {
  /** Rises with time. */
  id: string
  /** Milliseconds since 1970. */
  at: number
  /** Of the grant. */
  actor: string
  act: string
  detail: Record<string, unknown>
}
