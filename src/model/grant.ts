import { Forbidden } from '../errors.ts'
import { type Action, type TokenAction, tokenActions } from './action.ts'
import type { Peer } from './peer.ts'
import { directTopic, matchesTopic, type TopicFilter } from './topic.ts'

/** What a client may do, and as whom. */
export interface Grant {
  /** Of the token, or of the subject that an identity provider names: in the audit log, and the scope of idempotency keys. */
  readonly id: string
  readonly actions: ReadonlySet<TokenAction>
  readonly topics: TopicFilter
  /** Milliseconds since 1970. */
  readonly expiresAt?: number | undefined
  /** Id of the session that stands for the token, where a cookie named one. */
  readonly session?: string | undefined
  /** When the token behind a session ends, which may be after the session: milliseconds since 1970. */
  readonly tokenExpiresAt?: number | undefined
}

const everything: TopicFilter = { exact: [], prefixes: [''] }

/** Everything, for those who need no token, and for the operator's own. */
export function fullGrant(id: string): Grant {
  return { id, actions: new Set(tokenActions), topics: everything }
}

/** @throws Forbidden */
export function requireAction(grant: Grant, action: Action): void {
  if (action === 'none' || action === 'any' || grant.actions.has(action)) return
  throw new Forbidden(`This token does not allow "${action}".`)
}

/** What a filter is when none is given: everything that the grant lets read. */
export function readable(grant: Grant): TopicFilter | undefined {
  return grant.actions.has('direct') ? undefined : everything
}

/** @throws Forbidden when the filter may match a topic that the grant does not, or direct messages that it does not allow */
export function requireTopics(grant: Grant, filter: TopicFilter = everything): void {
  const wider = [
    ...filter.exact.filter((topic) => topic !== directTopic && !matchesTopic(grant.topics, topic)),
    ...filter.prefixes.filter((prefix) => !grant.topics.prefixes.some((own) => prefix.startsWith(own))).map((prefix) => `${prefix}*`),
  ]
  if (filter.exact.includes(directTopic)) requireAction(grant, 'direct')
  if (wider.length > 0) throw new Forbidden(`This token does not allow the topics ${wider.map((each) => JSON.stringify(each)).join(', ')}.`)
}

/** @throws Forbidden */
export function requireTopic(grant: Grant, topic: string): void {
  requireTopics(grant, { exact: [topic], prefixes: [] })
}

/** What of these topics the client may know of. */
export function visibleTopics(grant: Grant, topics: string[]): string[] {
  return topics.filter((topic) => matchesTopic(grant.topics, topic))
}

export function visibleTo(grant: Grant, peer: Peer): Peer {
  return { ...peer, topics: visibleTopics(grant, peer.topics) }
}
