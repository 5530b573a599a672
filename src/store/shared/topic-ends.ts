import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Seq } from '../../model/cursor.ts'
import { everyTopic, type TopicFilter } from '../../model/topic.ts'
import { createTopicMatcher } from '../../model/topic-matcher.ts'
import { isPrefixPattern } from '../../model/topic-pattern.ts'
import type { PayComparisons } from '../log-store.ts'
import { patternsAtOnce } from './pattern-rows.ts'

/** A row of the table of topics. */
export interface TopicRow {
  name: string
  messages: number
  firstSeq: Seq
  prunedThrough: Seq
  prunedAt: number
}

/** What a log has of the topics of a filter. */
export interface TopicEnds {
  first: Seq | undefined
  pruned: Seq
  /** Undefined when the log may have changed meanwhile. */
  messages: number | undefined
}

/** Topics that are read at a time. */
const stepTopics = 500
/** Comparisons that reading a topic takes as long as. */
const comparisonsOfTopic = 10
/** Comparisons in a turn of the event loop, by all that read: about 10 ms. */
const maxComparisons = 20_000
/** Those that a turn has left when a filter is begun, so that a few hundred topics are from one state of the log. */
export const firstComparisons = 10_000

/** Whether one statement finds the ends: an index finds the topics of names and of few beginnings. */
export function isAtOnce({ patterns }: TopicFilter): boolean {
  return patterns.includes(everyTopic) || (patterns.length <= patternsAtOnce && patterns.every(isPrefixPattern))
}

/** Whether the filter has so many patterns that this process compares the names of topics, by an index, instead of the database. */
export function areMany(filter: TopicFilter): boolean {
  return filter.patterns.length > patternsAtOnce && !filter.patterns.includes(everyTopic)
}

/**
 * The ends of the topics of a filter, in steps, between which the log may change: they are then those before the first
 * step. Each step is paid before it is read.
 * @param components.read at most `limit` topics in the order of their names, after a name, or from the first one on
 */
export async function findTopicEnds(
  query: { filter: TopicFilter; prunedSince: number },
  components: { read(after: string | undefined, limit: number): TopicRow[] | Promise<TopicRow[]>; pay: PayComparisons },
): Promise<TopicEnds> {
  const { filter, prunedSince } = query
  const { read, pay } = components
  const matcher = createTopicMatcher(filter)
  const ends: TopicEnds = { first: undefined, pruned: 0, messages: 0 }
  let paid = 0
  for (let after: string | undefined; ; ) {
    if (compared >= maxComparisons) await changeTurn()
    // What the step before took beyond the reading of its topics is paid with this one.
    pay(stepTopics * comparisonsOfTopic + matcher.comparisons - paid)
    paid = matcher.comparisons
    const found = read(after, stepTopics)
    if (found instanceof Promise) ends.messages = undefined
    const rows = found instanceof Promise ? await found : found
    if (found instanceof Promise) await turnToCompare()
    for (const row of rows) if (matcher.matches(row.name)) take(row)
    noteCompared(rows.length * comparisonsOfTopic + matcher.comparisons - paid)
    after = rows.at(-1)?.name
    if (rows.length < stepTopics || after === undefined) return ends
  }

  async function changeTurn(): Promise<void> {
    ends.messages = undefined
    await turnToCompare()
  }

  function take({ messages, firstSeq, prunedThrough, prunedAt }: TopicRow): void {
    if (messages > 0) ends.first = Math.min(ends.first ?? firstSeq, firstSeq)
    if (prunedAt > prunedSince) ends.pruned = Math.max(ends.pruned, prunedThrough)
    if (ends.messages !== undefined) ends.messages += messages
  }
}

/** Comparisons in this turn of the event loop, by all that read. */
let compared = 0

/** Resolves in a turn of the event loop that has this many comparisons left. */
export async function turnToCompare(comparisons = 1): Promise<void> {
  while (compared > maxComparisons - comparisons) await nextTurn()
}

function noteCompared(comparisons: number): void {
  if (compared === 0 && comparisons > 0)
    setImmediate(() => {
      compared = 0
    })
  compared += comparisons
}
