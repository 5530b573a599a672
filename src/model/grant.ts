import { Forbidden } from '../errors.ts'
import { type Action, type TokenAction, tokenActions } from './action.ts'
import type { Peer } from './peer.ts'
import { directTopic, everything, exactly, matchesTopic, patternsOf, type TopicFilter } from './topic.ts'

/** The identity and rights of a client. */
export interface Grant {
  /**
   * Id of the token, or of the identity provider's subject. Used in the audit log and as the scope of idempotency keys.
   */
  readonly id: string
  readonly actions: ReadonlySet<TokenAction>
  readonly topics: TopicFilter
  /** Milliseconds since 1970. */
  readonly expiresAt?: number | undefined
  /** Id of the session that represents the token, if the request came with a session cookie. */
  readonly session?: string | undefined
  /** Expiry of the token behind a session, which may be later than the session's: milliseconds since 1970. */
  readonly tokenExpiresAt?: number | undefined
}

/** A grant of everything, for clients that need no token, and for the configured admin token. */
export function fullGrant(id: string): Grant {
  return { id, actions: new Set(tokenActions), topics: everything }
}

/** @throws Forbidden */
export function requireAction(grant: Grant, action: Action): void {
  if (action === 'none' || action === 'any' || grant.actions.has(action)) return
  throw new Forbidden(`This token does not allow "${action}".`)
}

/** The default filter: everything that the grant allows to read. */
export function readable(grant: Grant): TopicFilter | undefined {
  return grant.actions.has('direct') ? undefined : everything
}

/** @throws Forbidden when the filter can match a topic, or direct messages, that the grant does not allow */
export function requireTopics(grant: Grant, filter: TopicFilter): void {
  const wider = patternsOf(filter).filter((each) => !matchesTopic(grant.topics, each))
  if (filter.exact.includes(directTopic)) requireAction(grant, 'direct')
  if (wider.length > 0) throw new Forbidden(`This token does not allow the topics ${wider.map((each) => JSON.stringify(each)).join(', ')}.`)
}

/** Whether the grant allows everything that the filter can match. */
export function allows(grant: Grant, filter: TopicFilter): boolean {
  if (filter.exact.includes(directTopic) && !grant.actions.has('direct')) return false
  return patternsOf(filter).every((each) => matchesTopic(grant.topics, each))
}

/** @throws Forbidden */
export function requireTopic(grant: Grant, topic: string): void {
  requireTopics(grant, exactly(topic))
}

/** The topics that the grant allows the client to see. */
export function visibleTopics(grant: Grant, topics: string[]): string[] {
  return topics.filter((topic) => matchesTopic(grant.topics, topic))
}

export function visibleTo(grant: Grant, peer: Peer): Peer {
  return { ...peer, topics: visibleTopics(grant, peer.topics) }
}
