import { createClientShares } from '../access/client-shares.ts'
import { SubscriptionLimit } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { type TopicFilter, topicsOf } from '../model/topic.ts'
import type { Topics } from '../topics/topics.ts'

/**
 * What a subscription holds while it is open: its part of `maxSubscribedTopics`, and the use of the topics that it
 * names.
 */
export interface Interests {
  /** For a client (`clientKey`). @throws SubscriptionLimit, TopicLimit, StoreUnavailable */
  open(client: string, filter: TopicFilter): Promise<Disposable>
}

export function createInterests(
  init: { limits: Pick<Limits, 'maxSubscribedTopics' | 'clientSharePercent'> },
  components: { topics: Pick<Topics, 'use'> },
): Interests {
  const { limits } = init
  const { topics } = components
  const entries = createClientShares({ max: limits.maxSubscribedTopics, limits })

  return {
    async open(client, filter) {
      using held = new DisposableStack()
      const place = entries.take(client, 1 + filter.exact.length + filter.patterns.length)
      if (place === undefined) throw new SubscriptionLimit('The subscriptions of this gateway or of this client name too many topics.')
      held.use(place)
      for (const topic of topicsOf(filter)) held.use(await topics.use(topic, client))
      return held.move()
    },
  }
}
