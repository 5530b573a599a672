import { createClientShares } from '../access/client-shares.ts'
import { ServiceBusy } from '../errors.ts'
import type { Shares } from '../lib/shares.ts'
import type { Limits } from '../limits.ts'

/**
 * Requests that wait until a server of their service is free. Askers take turns (round-robin), so that one with many
 * requests gets no more than one with few.
 */
export interface ServiceQueues<Request extends { service: string }, Assigned> {
  /** @throws ServiceBusy when the queue, or the asker's share of it, is full */
  wait(request: Request, asker: string): Waiting<Request, Assigned>
  /** Takes the next request of the service off its queue. */
  next(service: string): Waiting<Request, Assigned> | undefined
  /** Takes a request off its queue, if it is there. */
  leave(waiting: Waiting<Request, Assigned>): void
  /** Rejects all requests that wait for the service. */
  close(service: string, reason: Error): void
  size(service: string): number
}

export interface Waiting<Request, Assigned> {
  request: Request
  asker: string
  place: Disposable
  assigned: PromiseWithResolvers<Assigned>
}

interface Queue<Request, Assigned> {
  /** By asker, in the order of turns. */
  waiting: Map<string, Waiting<Request, Assigned>[]>
  places: Shares
}

const retryAfterMs = 1_000

export function createServiceQueues<Request extends { service: string }, Assigned>(init: {
  limits: Pick<Limits, 'maxServiceQueue' | 'clientSharePercent'>
}): ServiceQueues<Request, Assigned> {
  const { limits } = init
  const queues = new Map<string, Queue<Request, Assigned>>()

  function allOf(service: string): Waiting<Request, Assigned>[] {
    return [...(queues.get(service)?.waiting.values() ?? [])].flat()
  }

  return {
    wait(request, asker) {
      const queue = queues.get(request.service) ?? {
        waiting: new Map(),
        places: createClientShares({ max: limits.maxServiceQueue, limits }),
      }
      const place = queue.places.take(asker)
      if (place === undefined) throw new ServiceBusy('Too many requests wait for this service, in total or from you.', { retryAfterMs })
      const waiting: Waiting<Request, Assigned> = { request, asker, place, assigned: Promise.withResolvers() }
      waiting.assigned.promise.catch(() => undefined)
      queues.set(request.service, queue)
      queue.waiting.set(asker, [...(queue.waiting.get(asker) ?? []), waiting])
      return waiting
    },
    next(service) {
      const queue = queues.get(service)
      const [first] = queue?.waiting ?? []
      if (queue === undefined || first === undefined) return undefined
      const [asker, [next, ...others]] = first
      queue.waiting.delete(asker)
      if (others.length > 0) queue.waiting.set(asker, others)
      next?.place[Symbol.dispose]()
      return next
    },
    leave(waiting) {
      waiting.place[Symbol.dispose]()
      const { request, asker } = waiting
      const queue = queues.get(request.service)
      const left = queue?.waiting.get(asker)?.filter((each) => each !== waiting) ?? []
      if (left.length > 0) queue?.waiting.set(asker, left)
      else queue?.waiting.delete(asker)
      if (queue?.waiting.size === 0) queues.delete(request.service)
    },
    close(service, reason) {
      for (const { assigned } of allOf(service)) assigned.reject(reason)
      queues.delete(service)
    },
    size: (service) => allOf(service).length,
  }
}
