import type { TopicFilter } from '../model/topic.ts'

/** Browser sessions. */
export interface SessionStore {
  /**
   * Adds a session. Each holder keeps its newest `maxOfHolder` sessions; older ones are removed. False, and nothing is
   * added, when there are `max` sessions and none of the holder's own can be replaced. Gateways that add at the same
   * time may each exceed `max` by one.
   */
  add(session: SessionRecord, limits: { max: number; maxOfHolder: number }): Promise<boolean>
  find(id: string): Promise<SessionRecord | undefined>
  /** The ids that do not exist. */
  missing(ids: string[]): Promise<string[]>
  /** False when there was none. */
  remove(id: string): Promise<boolean>
  /** Removes sessions that expired before a time, at most `limit`; returns how many. */
  forget(query: { before: number; limit: number }): Promise<number>
}

export interface SessionRecord {
  /** SHA-256 of the cookie's value, in hex. */
  id: string
  /** Id of the grant that opened it. */
  holder: string
  basis: SessionBasis
  /** Milliseconds since 1970. */
  createdAt: number
  expiresAt: number
}

/**
 * What a session's rights derive from: an access token, by the SHA-256 of its secret in hex; the operator's token, by a
 * proof that only the cookie can check; or the rights that an identity provider granted to a subject.
 */
export type SessionBasis =
  | { kind: 'token'; hash: string }
  | { kind: 'operator'; proof: string }
  | { kind: 'subject'; actions: string[]; topics: TopicFilter }
