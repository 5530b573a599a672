import { Forbidden } from '../errors.ts'
import { type Action, type TokenAction, tokenActions } from './action.ts'
import { matchesTopic, type TopicFilter } from './topic.ts'

/** What a client may do, and as whom. */
export interface Grant {
  /** Of the token, or of the subject that an identity provider names: in the audit log, and the scope of idempotency keys. */
  readonly id: string
  readonly actions: ReadonlySet<TokenAction>
  readonly topics: TopicFilter
  /** Milliseconds since 1970. */
  readonly expiresAt?: number | undefined
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

/** @throws Forbidden when the filter may match a topic that the grant does not */
export function requireTopics(grant: Grant, filter: TopicFilter = everything): void {
  const wider = [
    ...filter.exact.filter((topic) => !matchesTopic(grant.topics, topic)),
    ...filter.prefixes.filter((prefix) => !grant.topics.prefixes.some((own) => prefix.startsWith(own))).map((prefix) => `${prefix}*`),
  ]
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
