import { createClientShares } from '../access/client-shares.ts'
import { TopicLimit } from '../errors.ts'
import type { TopicJoin, TopicStore } from '../store/topic-store.ts'

/**
 * Room for joined topics, which clients share. A topic counts to the client that has joined it longest; to use what somebody has joined
 * costs nothing. When the longest join ends and others are left, the topic counts to the next.
 */
export interface TopicRoom {
  /**
   * Makes room for one more topic of a client. What has not been used for `topicReclaimMs`, and was not joined explicitly, is given up for it, the
   * least recently used first: joins of the client itself when it has its share, and when all places are taken also topics of those that
   * have more than theirs. Answers whether anything was given up. @throws TopicLimit
   */
  make(client: string): Promise<boolean>
}

export interface TopicRoomLimits {
  maxJoinedTopics: number
  topicReclaimMs: number
  clientSharePercent: number
}

export function createTopicRoom(
  init: { limits: TopicRoomLimits },
  components: { store: Pick<TopicStore, 'joins' | 'giveUp'>; isInUse(join: TopicJoin): boolean; now(): number },
): TopicRoom {
  const { limits } = init
  const { maxJoinedTopics: max, topicReclaimMs } = limits
  const { store, isInUse, now } = components

  return {
    async make(client) {
      for (let hasGivenUp = false; ; hasGivenUp = true) {
        const byTopic = Map.groupBy(await store.joins(), ({ topic }) => topic)
        const shares = createClientShares({ max, limits })
        const owned = [...byTopic.values()].flatMap(([owner, ...others]) => (owner === undefined ? [] : [{ owner, others }]))
        for (const { owner } of owned) shares.hold(owner.client, 1)
        const refusal = shares.refusal(client)
        if (refusal === undefined) return hasGivenUp
        const isIdle = (join: TopicJoin) => !join.explicit && join.usedAt < now() - topicReclaimMs && !isInUse(join)
        const [least] = owned
          .filter(({ owner }) => owner.client === client || (refusal === 'all' && shares.held(owner.client) > shares.share))
          // Where all is taken, only what nobody uses makes room; where the client has its share, others may go on with the topic.
          .filter(({ owner, others }) => isIdle(owner) && (refusal === 'share' || others.every(isIdle)))
          .toSorted((one, other) => one.owner.usedAt - other.owner.usedAt)
        if (least === undefined) throw refused(refusal, shares.held(client))
        const { topic } = least.owner
        await store.giveUp(refusal === 'share' ? { topic, client } : { topic })
      }
    },
  }

  function refused(refusal: 'all' | 'share', held: number): TopicLimit {
    return refusal === 'all'
      ? new TopicLimit(`This gateway joins at most ${max} topics at a time; one has to be left first.`)
      : new TopicLimit(`This client has its share, ${held}, of the ${max} topics that this gateway joins; one has to be left first.`)
  }
}
