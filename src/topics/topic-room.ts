import { createClientShares } from '../access/client-shares.ts'
import { TopicLimit } from '../errors.ts'
import { createLru } from '../lib/lru.ts'
import type { Shares } from '../lib/shares.ts'
import type { Limits } from '../limits.ts'
import type { TopicJoin, TopicStore } from '../store/topic-store.ts'

/**
 * The places for joined topics, shared by the clients. A topic counts for the client whose join is the oldest. Use of a
 * topic that another client has joined costs nothing. When the oldest join ends, the topic counts for the next one.
 */
export interface TopicRoom {
  /**
   * Makes room for one more topic of a client. Ends joins by use that were idle for `topicReclaimMs`, the least
   * recently used first: the client's own if its share is reached, and if all places are taken also topics of clients
   * above their share. Returns whether a join was ended. @throws TopicLimit
   */
  make(client: string): Promise<boolean>
  /** What the joins were is no longer known: some have ended, or another gateway of the database has changed them. */
  forget(): void
}

/** Clients whose last refusal is remembered. */
const maxRefused = 10_000

const remedy = 'Leave one with DELETE /v1/topics/{topic}, or raise PEERGATE_MAX_JOINED_TOPICS.'

export type TopicRoomLimits = Pick<Limits, 'maxJoinedTopics' | 'topicReclaimMs' | 'clientSharePercent'>

export function createTopicRoom(
  init: { limits: TopicRoomLimits },
  components: { store: Pick<TopicStore, 'joins' | 'giveUp'>; isInUse(join: TopicJoin): boolean; now(): number },
): TopicRoom {
  const { limits } = init
  const { maxJoinedTopics: max, topicReclaimMs } = limits
  const { store, isInUse, now } = components

  /**
   * What each client holds, as the last look at all joins told, and those made since. Reading all of them for each join
   * would make many joins take a time that grows with the square of their number.
   */
  let known: Shares | undefined
  /** How often what the joins were was forgotten. */
  let changes = 0
  /**
   * What a client was told when it last found no room. Until joins change, or one can have become idle by time, another
   * look at all of them would be in vain.
   */
  const refusalOf = createLru({ max: maxRefused }, (): { at: number; until: number; error?: TopicLimit } => ({ at: -1, until: 0 }))

  return {
    forget() {
      known = undefined
      changes++
    },
    async make(client) {
      const last = refusalOf(client)
      if (last.error !== undefined && last.at === changes && now() < last.until) throw last.error
      if (known !== undefined && known.refusal(client) === undefined) {
        known.hold(client, 1)
        return false
      }
      known = undefined
      for (let hasGivenUp = false; ; hasGivenUp = true) {
        const at = changes
        const byTopic = Map.groupBy(await store.joins(), ({ topic }) => topic)
        const shares = createClientShares({ max, limits })
        const owned = [...byTopic.values()].flatMap(([owner, ...others]) => (owner === undefined ? [] : [{ owner, others }]))
        for (const { owner } of owned) shares.hold(owner.client, 1)
        const refusal = shares.refusal(client)
        if (refusal === undefined) {
          shares.hold(client, 1)
          known = shares
          return hasGivenUp
        }
        const isIdle = (join: TopicJoin) => !join.explicit && join.usedAt < now() - topicReclaimMs && !isInUse(join)
        const candidates = owned.filter(
          ({ owner }) => !owner.explicit && (owner.client === client || (refusal === 'all' && shares.held(owner.client) > shares.share)),
        )
        const [least] = candidates
          // If all places are taken, a topic must be idle for all its clients. If the share is reached, other clients
          // may keep the topic.
          .filter(({ owner, others }) => isIdle(owner) && (refusal === 'share' || others.every(isIdle)))
          .toSorted((one, other) => one.owner.usedAt - other.owner.usedAt)
        if (least === undefined) {
          const oldest = candidates.reduce((usedAt, { owner }) => Math.min(usedAt, owner.usedAt), Number.POSITIVE_INFINITY)
          const error = refused(refusal, shares.held(client))
          Object.assign(last, { at, until: oldest + topicReclaimMs, error })
          throw error
        }
        const { topic } = least.owner
        await store.giveUp(refusal === 'share' ? { topic, client } : { topic })
      }
    },
  }

  function refused(refusal: 'all' | 'share', held: number): TopicLimit {
    return refusal === 'all'
      ? new TopicLimit(`This gateway may join at most ${max} topics. ${remedy}`)
      : new TopicLimit(`This client has reached its share of ${held} of the ${max} topics that this gateway may join. ${remedy}`)
  }
}
