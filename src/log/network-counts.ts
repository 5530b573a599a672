import type { Network } from '../engine/engine.ts'
import type { StoredMessage } from '../model/message.ts'
import type { GivenUpReason } from '../telemetry/network-metrics.ts'

/**
 * Counts what becomes of the messages for one network, since the start. Waiting messages are counted in groups by the
 * time at which they were stored, so that nothing is read again when they are given up.
 */
export interface NetworkCounts {
  /** Messages of other peers that the network was handed. */
  readonly bridged: number
  readonly givenUp: Readonly<Record<GivenUpReason, number>>
  /** Messages that were sent, except the unwanted ones, which no subscriber was there for. */
  sent(messages: StoredMessage[], outcome: { recipients: number[]; unwanted: StoredMessage[] }): void
  /** Messages that wait for a subscriber of their topic. */
  wait(messages: StoredMessage[]): void
  /** The first waiting messages of a topic, by default all, wait no longer because they were handed over. */
  waited(topic: string, count?: number): void
  /** The waiting messages of a topic that were stored before this, by default all, are given up. */
  giveUp(topic: string, storedBefore?: number): void
}

interface Group {
  count: number
  /** When the last of them was stored. */
  last: number
}

/** Maximum groups of a topic, each of which lasts a tenth of the window. While the clock is held the last one grows. */
const maxGroups = 12

export function createNetworkCounts(
  init: { peerId: string; windowMs: number },
  components: { network: Pick<Network, 'stragglers'> },
): NetworkCounts {
  const { peerId, windowMs } = init
  const { network } = components
  const stepMs = windowMs / 10
  /** By topic, oldest first. */
  const waiting = new Map<string, Group[]>()
  const givenUp = { no_subscriber: 0, too_large: 0 }
  let bridged = 0

  function groupsOf(topic: string): Group[] {
    const groups = waiting.get(topic) ?? []
    waiting.set(topic, groups)
    return groups
  }

  function add(groups: Group[], storedAt: number): void {
    const group = groups.at(-1)
    const isSame = group !== undefined && (Math.floor(group.last / stepMs) === Math.floor(storedAt / stepMs) || groups.length >= maxGroups)
    if (!isSame) groups.push({ count: 1, last: storedAt })
    else {
      group.count++
      group.last = Math.max(group.last, storedAt)
    }
  }

  return {
    get bridged() {
      return bridged
    },
    givenUp,
    sent(messages, { recipients, unwanted }) {
      const waits = new Set(unwanted)
      messages.forEach((message, index) => {
        if (waits.has(message)) return
        if (recipients[index] === 0 && network.stragglers?.isTooLarge(message) === true) givenUp.too_large++
        else if (message.from !== peerId) bridged++
      })
    },
    wait(messages) {
      for (const { topic, storedAt } of messages) add(groupsOf(topic), storedAt)
    },
    waited(topic, count = Number.POSITIVE_INFINITY) {
      const groups = waiting.get(topic) ?? []
      for (let left = count; left > 0 && groups[0] !== undefined; ) {
        const taken = Math.min(left, groups[0].count)
        groups[0].count -= taken
        left -= taken
        if (groups[0].count === 0) groups.shift()
      }
      if (groups.length === 0) waiting.delete(topic)
    },
    giveUp(topic, storedBefore = Number.POSITIVE_INFINITY) {
      const groups = waiting.get(topic) ?? []
      while (groups[0] !== undefined && groups[0].last < storedBefore) givenUp.no_subscriber += groups.shift()?.count ?? 0
      if (groups.length === 0) waiting.delete(topic)
    },
  }
}
