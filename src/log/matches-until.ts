import type { MessageKind } from '../model/message.ts'
import { directTopic, matchesTopic, type TopicFilter } from '../model/topic.ts'

/** What a page asks for, as far as it says which messages that are still to come it may hold. */
export interface Wanted {
  topics?: TopicFilter | undefined
  kind?: MessageKind | undefined
  to?: string | undefined
  /** Milliseconds since 1970. */
  since?: number | undefined
  until?: number | undefined
  /** A position of the log. */
  before?: string | undefined
}

/**
 * Until when a message that is still to come may be what a page asks for: milliseconds since 1970, infinity without an end, and 0 when
 * what is asked for excludes itself, or ends before the log's end.
 */
export function matchesUntil({ topics, kind, to, since = 0, until = Number.POSITIVE_INFINITY, before }: Wanted): number {
  const endsInLog = before !== undefined && before !== 'latest'
  return endsInLog || since >= until || !kindsOf(topics, to).some((each) => kind === undefined || kind === each) ? 0 : until
}

/** What kinds of messages are among the topics; only direct ones have a recipient. */
function kindsOf(topics: TopicFilter | undefined, to: string | undefined): MessageKind[] {
  const hasDirect = topics === undefined || matchesTopic(topics, directTopic)
  const hasTopics = topics === undefined || topics.prefixes.length > 0 || topics.exact.some((topic) => topic !== directTopic)
  return [...(hasDirect ? (['direct'] as const) : []), ...(hasTopics && to === undefined ? (['topic'] as const) : [])]
}
