import { setImmediate as nextTurn } from 'node:timers/promises'
import { createClientShares } from '../access/client-shares.ts'
import { Overloaded } from '../errors.ts'
import { createSemaphore } from '../lib/semaphore.ts'
import type { Limits } from '../limits.ts'
import type { PageOptions } from '../log/history.ts'
import type { Hub } from '../log/hub.ts'
import { createRowBudget } from '../log/row-budget.ts'
import { subscriptionFilter } from '../model/topic.ts'
import type { ConsumerRecord } from '../store/consumer-store.ts'
import { type LogStore, scanRows } from '../store/log-store.ts'

export interface Pending {
  /** Messages after the position of the consumer. */
  pending: number
  /** Whether all of them were counted. */
  isPendingExact: boolean
}

/** Maximum consumers whose messages are counted at a time, and maximum requests queued for that; clients share both. */
const maxCounting = 4
const maxQueued = 1_000
const retryAfterMs = 1_000

/**
 * Counts what consumers have before them. The rows are paid as by pages of messages, and one request counts as many at
 * most.
 */
export function createPendingCount(
  init: { limits: Pick<Limits, 'clientSharePercent'> },
  components: { log: Pick<LogStore, 'count'>; hub: Pick<Hub, 'tip'> },
): (consumer: ConsumerRecord, options: PageOptions) => Promise<Pending> {
  const { log, hub } = components
  const counting = createSemaphore({
    max: maxCounting,
    maxWaiting: maxQueued,
    shares: (max) => createClientShares({ max, limits: init.limits }),
  })

  return async ({ position, settings }, { signal, client, pay }) => {
    using place = await counting.take(signal, client)
    if (place === undefined)
      throw new Overloaded('Too many requests wait for what consumers have to do, in all or from this client.', { retryAfterMs })
    const query = { topics: subscriptionFilter(settings), through: hub.tip }
    const budget = createRowBudget(pay)
    let [pending, after] = [0, position]
    while (after < query.through && budget.take(Math.min(scanRows, query.through - after))) {
      signal.throwIfAborted()
      const step = await log.count({ ...query, after })
      pending += step.messages
      after = step.scanned
      await nextTurn()
    }
    return { pending, isPendingExact: after >= query.through }
  }
}
