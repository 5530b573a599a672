/** Access tokens, by the SHA-256 of their secrets. */
export interface TokenStore {
  /**
   * Adds the token when the check of all that are there allows it, else answers false. Check and change are one step: whatever other calls,
   * processes and gateways do comes before both or after both.
   */
  add(token: TokenRecord, check?: TokenCheck): Promise<boolean>
  find(hash: Uint8Array): Promise<TokenRecord | undefined>
  /** In the order in which they were made. */
  list(): Promise<TokenRecord[]>
  /** Removes the token and the sessions that were opened with it, when the check allows it, as one step. */
  remove(id: string, check?: TokenCheck): Promise<TokenRemoval>
}

/** Whether a change may be made to these tokens, which are all that are there. */
export type TokenCheck = (tokens: TokenRecord[]) => boolean

export type TokenRemoval = 'removed' | 'unknown' | 'refused'

export interface TokenRecord {
  id: string
  name: string
  hash: Uint8Array
  actions: string[]
  /** Patterns. */
  topics: string[]
  /** Milliseconds since 1970. */
  createdAt: number
  expiresAt: number | undefined
}
