/** Access tokens, by the SHA-256 of their secrets. */
export interface TokenStore {
  /**
   * Adds the token if the check of all existing tokens allows it, otherwise returns false. Check and change are atomic:
   * other calls, processes and gateways act before both or after both.
   */
  add(token: TokenRecord, check?: TokenCheck): Promise<boolean>
  find(hash: Uint8Array): Promise<TokenRecord | undefined>
  get(id: string): Promise<TokenRecord | undefined>
  /** Tokens in order of creation. */
  list(): Promise<TokenRecord[]>
  /** Tokens in order of creation and id, exclusive of the place of `after`, whether or not that token still exists. */
  page(query: { after?: Pick<TokenRecord, 'createdAt' | 'id'>; limit: number }): Promise<TokenRecord[]>
  /** Returns false when there is no such token. */
  rename(id: string, name: string): Promise<boolean>
  /** Removes the token and the sessions opened with it, if the check allows it; atomic. */
  remove(id: string, check?: TokenCheck): Promise<TokenRemoval>
}

/** Whether a change is allowed, given all existing tokens. */
export type TokenCheck = (tokens: TokenRecord[]) => boolean

export type TokenRemoval = 'removed' | 'unknown' | 'refused'

export interface TokenRecord {
  id: string
  name: string
  hash: Uint8Array
  actions: string[]
  /** Topics and patterns. */
  topics: string[]
  /** Milliseconds since 1970. */
  createdAt: number
  expiresAt: number | undefined
}
