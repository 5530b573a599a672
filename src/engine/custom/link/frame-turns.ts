/**
 * Shares the event loop between frames of peers and all other work. In one turn of the event loop, the frames of all
 * links together get a few milliseconds; the rest waits for the next turn, link by link in order. However much peers
 * send, other work runs after that time.
 */
export interface FrameTurns {
  /** Runs a job, in this turn if there is time left. A job that already waits is not added again. */
  run(job: FrameJob): void
}

/** Handles one frame; returns whether there is another. Does not throw. */
export type FrameJob = () => boolean

export interface FrameTurnsInit {
  /** Milliseconds per turn, for all jobs together. */
  turnMs: number
  /** Milliseconds that one job runs before the next waiting job. */
  sliceMs: number
}

export interface FrameTurnsComponents {
  /** Milliseconds of a monotonic clock. */
  now(): number
  /** Schedules a task behind all work that is queued now. */
  afterOthers(task: () => void): void
}

export function createFrameTurns({ turnMs, sliceMs }: FrameTurnsInit, { now, afterOthers }: FrameTurnsComponents): FrameTurns {
  const waiting = new Set<FrameJob>()
  let leftMs = turnMs
  let isWorking = false
  let isTurnAwaited = false

  /** Runs a job until it is done or its slice is used up; returns whether there is more. */
  function workOn(job: FrameJob): boolean {
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
    for (const job of waiting) {
      if (leftMs <= 0) break
      waiting.delete(job)
      // Behind the others.
      if (workOn(job)) waiting.add(job)
    }
    isWorking = false
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

/** One for the process, since the process has one event loop. */
export const frameTurns = createFrameTurns({ turnMs: 2, sliceMs: 0.25 }, { now: () => performance.now(), afterOthers: setImmediate })
