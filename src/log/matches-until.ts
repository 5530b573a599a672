import type { MessageKind } from '../model/message.ts'
import { directTopic, matchesTopic, type TopicFilter } from '../model/topic.ts'

/** The part of a page's query that decides which future messages can match. */
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
 * Until when a future message can match a page's query: milliseconds since 1970, infinity without an end, and 0 when
 * the query contradicts itself or ends before the log's tip.
 */
export function matchesUntil({ topics, kind, to, since = 0, until = Number.POSITIVE_INFINITY, before }: Wanted): number {
  const endsInLog = before !== undefined && before !== 'latest'
  return endsInLog || since >= until || !kindsOf(topics, to).some((each) => kind === undefined || kind === each) ? 0 : until
}

/** The kinds of messages in these topics; only direct ones have a recipient. */
function kindsOf(topics: TopicFilter | undefined, to: string | undefined): MessageKind[] {
  const hasDirect = topics === undefined || matchesTopic(topics, directTopic)
  const hasTopics = topics === undefined || topics.patterns.length > 0 || topics.exact.some((topic) => topic !== directTopic)
  return [...(hasDirect ? (['direct'] as const) : []), ...(hasTopics && to === undefined ? (['topic'] as const) : [])]
}
