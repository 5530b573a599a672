import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import { createFairRate } from '../lib/fair-rate.ts'
import { createSemaphore } from '../lib/semaphore.ts'
import { createShares } from '../lib/shares.ts'

/**
 * Has the DHT requests of peers wait for each other, so that other work runs between them: an answer costs a third of a
 * millisecond and more, and a request has thirty bytes. Peer ids are free, so the addresses that ask share the rate, the
 * places and the queue. Both engines have this.
 */
export interface RequestTurns {
  /**
   * Resolves when the request may be answered; dispose of the place when it has been.
   * @param host key of the address that asks (`Asker`)
   * @param signal fires when nobody waits for the answer any more, such as at the end of the link
   * @throws Error when too many requests of this address wait, or the signal fires
   */
  take(host: string, signal: AbortSignal): Promise<Disposable>
}

/** Requests a second in all, requests in progress, and requests that wait: more than those of twenty links. */
const defaults = { perSecond: 1_000, maxAnswered: 4, maxWaiting: 1_000 }
/** Milliseconds until a request over the rate is considered again. */
const lookAgainMs = 20

export function createRequestTurns(init: Partial<typeof defaults> = {}): RequestTurns {
  const { perSecond, maxAnswered, maxWaiting } = { ...defaults, ...init }
  const rate = createFairRate({ perSecond })
  const places = createSemaphore({ max: maxAnswered, maxWaiting, shares: (max) => createShares({ max }) })
  const queue = createShares({ max: maxWaiting })

  return {
    async take(host, signal) {
      using waiting = queue.take(host)
      if (waiting === undefined) throw new Error('too many DHT requests of peers at this address wait')
      signal.throwIfAborted()
      while (rate.isOver(host, performance.now())) await pause(lookAgainMs, undefined, { signal })
      rate.spend(host, performance.now(), 1)
      const place = await places.take(signal, host)
      if (place === undefined) throw new Error('too many DHT requests of peers at this address wait')
      await nextTurn()
      return place
    },
  }
}
