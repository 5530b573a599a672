import { createPatternIndex } from './pattern-index.ts'
import { directTopic, type TopicFilter } from './topic.ts'

/** Compares many topics with one filter. An index finds the patterns of a topic, so that many cost little more than one. */
export interface TopicMatcher {
  /** `matchesTopic` */
  matches(topic: string): boolean
  /** Comparisons of topics with patterns so far. */
  readonly comparisons: number
}

export function createTopicMatcher({ exact, patterns }: TopicFilter): TopicMatcher {
  const names = new Set(exact)
  const index = createPatternIndex<boolean>()
  for (const pattern of patterns) index.add(pattern, true)
  let comparisons = 0

  return {
    matches(topic) {
      if (names.has(topic)) return true
      if (topic === directTopic) return false
      let isMatch = false
      const made = index.match(topic, Number.MAX_SAFE_INTEGER, () => {
        isMatch = true
      })
      comparisons += made ?? 0
      return isMatch
    },
    get comparisons() {
      return comparisons
    },
  }
}
