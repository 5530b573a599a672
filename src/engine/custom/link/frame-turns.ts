/**
 * Shares out the event loop between the frames of peers and everything else: in one turn of it, frames of all links together are worked on
 * for a few milliseconds; what is left waits for the next turn, link by link in order. However much peers send, whatever else is waiting
 * comes first after that time.
 */
export interface FrameTurns {
  /** Has a job worked on, in this turn if it has time left; a job that waits already is not added again. */
  run(job: FrameJob): void
}

/** Works on one frame; answers whether there is another. Does not throw. */
export type FrameJob = () => boolean

export interface FrameTurnsInit {
  /** Milliseconds of a turn for all jobs together. */
  turnMs: number
  /** The same for one job, before the others that wait come. */
  sliceMs: number
}

export interface FrameTurnsComponents {
  /** Milliseconds of a monotonic clock. */
  now(): number
  /** Has a task done when everything else that is there now had its turn. */
  afterOthers(task: () => void): void
}

export function createFrameTurns({ turnMs, sliceMs }: FrameTurnsInit, { now, afterOthers }: FrameTurnsComponents): FrameTurns {
  const waiting = new Set<FrameJob>()
  let leftMs = turnMs
  let isWorking = false
  let isTurnAwaited = false

  /** Works on a job until it is done or the time of its slice is over; answers whether there is more. */
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

/** A process has one event loop, whatever runs in it. */
export const frameTurns = createFrameTurns({ turnMs: 2, sliceMs: 0.25 }, { now: () => performance.now(), afterOthers: setImmediate })
