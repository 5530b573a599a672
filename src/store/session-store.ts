import type { TopicFilter } from '../model/topic.ts'

/** Sessions of browsers. */
export interface SessionStore {
  /**
   * Adds a session. Of one holder the newest `maxOfHolder` stay, the oldest go first. Answers false, and adds nothing, when there are
   * `max` sessions and none of the holder's own goes for it; gateways that add at the same time may each add one more.
   */
  add(session: SessionRecord, limits: { max: number; maxOfHolder: number }): Promise<boolean>
  find(id: string): Promise<SessionRecord | undefined>
  /** Those of the ids that are not there. */
  missing(ids: string[]): Promise<string[]>
  /** Answers false when there was none. */
  remove(id: string): Promise<boolean>
  /** Forgets those that expired before a time, at most `limit`; answers how many. */
  forget(query: { before: number; limit: number }): Promise<number>
}

export interface SessionRecord {
  /** SHA-256 of what its cookie holds, in hex. */
  id: string
  /** Id of the grant that it was opened with. */
  holder: string
  basis: SessionBasis
  /** Milliseconds since 1970. */
  createdAt: number
  expiresAt: number
}

/**
 * What the rights of a session follow from: an access token, by the SHA-256 of its secret in hex; the operator's own token, by a proof
 * that only the cookie can check; or what an identity provider granted a subject.
 */
export type SessionBasis =
  | { kind: 'token'; hash: string }
  | { kind: 'operator'; proof: string }
  | { kind: 'subject'; actions: string[]; topics: TopicFilter }
