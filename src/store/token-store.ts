import type { TokenPlace } from '../model/token.ts'

/** Access tokens, by the SHA-256 of their secrets. */
export interface TokenStore {
  /**
   * Adds a token. A key that has already created a token refuses another, whatever the conditions say (`known`);
   * otherwise it is noted with the token. Conditions, key and change are atomic: other calls, processes and gateways act
   * before them or after them. Reads a bounded number of tokens.
   */
  add(token: TokenRecord, conditions?: AddConditions): Promise<TokenAddition>
  /**
   * What a key that was noted at or after `since` (age time) has created, or undefined. The token is as it was then: it
   * may have been renamed or removed.
   */
  createdUnder(key: string, since: number): Promise<TokenUnderKey | undefined>
  find(hash: Uint8Array): Promise<TokenRecord | undefined>
  get(id: string): Promise<TokenRecord | undefined>
  /** Tokens in order of creation. */
  list(): Promise<TokenRecord[]>
  /** The ids that do not exist. */
  missing(ids: string[]): Promise<string[]>
  /** Tokens in order of creation and id, exclusive of the place of `after`, whether or not that token still exists. */
  page(query: { after?: TokenPlace; limit: number }): Promise<TokenRecord[]>
  /** Returns false when there is no such token. */
  rename(id: string, name: string): Promise<boolean>
  /**
   * Notes when tokens were last used, in milliseconds since 1970; an earlier time than the noted one changes nothing.
   * Ids without a token are left out. No gateway is told.
   */
  used(times: ReadonlyMap<string, number>): Promise<void>
  /**
   * Removes the token and the sessions opened with it; atomic. With `keepsAdmin`, a token that allows `admin` and does
   * not expire is `refused` when it is the last such token.
   */
  remove(id: string, conditions?: { keepsAdmin?: boolean }): Promise<TokenRemoval>
}

export interface AddConditions {
  /** The token is `refused` when it would be the only one. */
  needsOther?: boolean
  /**
   * Maximum number of tokens. When it is reached, the token that expired first (before `createdAt` of the new one) is
   * removed, with its sessions; if none has expired, the addition is refused as `full`. Default: any number.
   */
  max?: number
  key?: TokenKey | undefined
}

/** What may have changed: one token, or one session; without either, any of them. */
export interface TokenChange {
  token?: string | undefined
  session?: string | undefined
}

export type TokenAddition = 'added' | 'refused' | 'full' | 'known'

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
  lastUsedAt: number | undefined
}

/** An idempotency key under which a token is created. */
export interface TokenKey {
  key: string
  /** Fingerprint of the request: reusing the key for another request is an error. */
  fingerprint: Uint8Array
  /** Age time. A key that was noted before `since` may be used again. */
  createdAt: number
  since: number
}

/** A token as it was created, without the hash of its secret. */
export type CreatedToken = Omit<TokenRecord, 'hash' | 'lastUsedAt'>

export interface TokenUnderKey {
  fingerprint: Uint8Array
  token: CreatedToken
}
