/**
 * Shares the event loop between jobs that others cause, such as frames of peers or requests of clients, and all other
 * work. In one turn of the event loop, all jobs together get a few milliseconds; the rest waits for the next turn, job by
 * job in order. However much there is to do, other work runs after that time.
 */
export interface LoopTurns {
  /** Runs a job, in this turn if there is time left. A job that already waits is not added again. */
  run(job: LoopJob): void
}

/** Does one piece of its work; returns whether there is more. One that throws is over, and the others go on. */
export type LoopJob = () => boolean

export interface LoopTurnsInit {
  /** Milliseconds per turn, for all jobs together. */
  turnMs: number
  /** Milliseconds that one job runs before the next waiting job. */
  sliceMs: number
}

export interface LoopTurnsComponents {
  /** Milliseconds of a monotonic clock. */
  now(): number
  /** Schedules a task behind all work that is queued now. */
  afterOthers(task: () => void): void
}

export function createLoopTurns({ turnMs, sliceMs }: LoopTurnsInit, { now, afterOthers }: LoopTurnsComponents): LoopTurns {
  const waiting = new Set<LoopJob>()
  let leftMs = turnMs
  let isWorking = false
  let isTurnAwaited = false

  /** Runs a job until it is done or its slice is used up; returns whether there is more. */
  function workOn(job: LoopJob): boolean {
    const began = now()
    for (let more = true; ; ) {
      more = job()
      const usedMs = now() - began
      if (more && usedMs < Math.min(sliceMs, leftMs)) continue
      leftMs -= usedMs
      return more
    }
  }

  function work(): void {
    isWorking = true
    try {
      for (const job of waiting) {
        if (leftMs <= 0) break
        waiting.delete(job)
        // Behind the others.
        if (workOn(job)) waiting.add(job)
      }
    } finally {
      isWorking = false
      awaitTurn()
    }
  }

  function awaitTurn(): void {
    if (isTurnAwaited) return
    isTurnAwaited = true
    afterOthers(() => {
      isTurnAwaited = false
      leftMs = turnMs
      if (waiting.size > 0) work()
    })
  }

  return {
    run(job) {
      waiting.add(job)
      if (!isWorking && leftMs > 0) work()
    },
  }
}
