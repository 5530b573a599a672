import type { Limits } from '../limits.ts'
import type { ClockCheckpoint } from '../store/clock-store.ts'

/**
 * Derives two times from a wall clock that may step and a monotonic clock that may not. Pure: it reads the clocks only
 * when called, and persists nothing.
 *
 * *Wall time* is what people see. *Age time* measures ages: it equals wall time while the clock is right, follows the
 * monotonic clock while it is not, and from then on differs from wall time by a constant.
 */
export interface Timeline {
  /** Wall time, in whole milliseconds since 1970. Goes back only when a backward step is adopted. */
  now(): number
  /** Age time, in whole milliseconds. Never goes back, and no step moves it. */
  age(): number
  /** Age time that stands still while the wall clock is not trusted: nothing expires meanwhile. */
  settledAge(): number
  /** Wall time minus age time, in whole milliseconds. */
  readonly offset: number
  /** Whether the wall clock has stepped and is not trusted yet; wall time then follows the monotonic clock. */
  readonly isHeld: boolean
  /** Number of steps detected. */
  readonly steps: number
  /** Whether the wall clock's time, or the downtime that it claims, has been stable long enough to be adopted. */
  readonly isDue: boolean
  /** Adopts it. Returns how far wall time moved, and the log's downtime: as claimed, and as counted. */
  adopt(): { movedMs: number; claimedMs: number; countedMs: number }
  /** Follows the time that another gateway of the database has adopted. */
  follow(checkpoint: ClockCheckpoint): void
  /** Whether age and wall time are settled, so that they can be saved for the next start. */
  readonly isKeepable: boolean
}

export type TimelineLimits = Pick<Limits, 'clockStepMs' | 'clockSettleMs' | 'maxDowntimeMs'>

export interface TimelineComponents {
  /** Both in milliseconds. */
  wall(): number
  monotonic(): number
  /** The log's last checkpoint. */
  checkpoint: Pick<ClockCheckpoint, 'age' | 'wall'> | undefined
  /** Called when the wall clock steps, with the size of the step in milliseconds, and when it returns by itself. */
  onStep?(stepMs: number): void
  onReturn?(): void
}

/** A difference between the wall clock and the monotonic clock, and the monotonic time since when it is known. */
interface Difference {
  ms: number
  since: number
}

export function createTimeline(init: { limits: TimelineLimits }, components: TimelineComponents): Timeline {
  const { clockStepMs, clockSettleMs, maxDowntimeMs } = init.limits
  const { wall, monotonic, checkpoint, onStep = () => undefined, onReturn = () => undefined } = components
  const begun = monotonic()
  const claimedAtStart = checkpoint === undefined ? 0 : wall() - checkpoint.wall
  /**
   * Whether the claimed downtime is plausible. A clock that is behind the log, or claims too long a downtime, has to
   * settle first.
   */
  const isPlausible = claimedAtStart >= -clockStepMs && claimedAtStart <= maxDowntimeMs
  const first = checkpoint === undefined || isPlausible ? wall() : checkpoint.wall
  /**
   * Base for small differences; it follows them once per `clockSettleMs`, so that many small steps count as a large
   * one.
   */
  let trusted: Difference = { ms: first - begun, since: begun }
  /** The difference that the returned wall time uses. */
  let difference = trusted.ms
  /** Wall time minus age time. A short downtime counts at once, a longer one only when the clock has settled. */
  let offset = checkpoint === undefined ? 0 : first - checkpoint.age
  if (checkpoint !== undefined && isPlausible && claimedAtStart <= clockStepMs) offset = checkpoint.wall - checkpoint.age
  /** The last wall time before the downtime, while the downtime is not counted yet. */
  let since = checkpoint !== undefined && !(isPlausible && claimedAtStart <= clockStepMs) ? checkpoint.wall : undefined
  let hasSettled = since === undefined
  let stepped: (Difference & { age: number }) | undefined
  let stableSince = begun
  let steps = 0
  let lastAge = checkpoint?.age ?? Number.NEGATIVE_INFINITY
  let lastNow = Number.NEGATIVE_INFINITY

  function observe(): void {
    const at = monotonic()
    const ms = wall() - at
    if (Math.abs(ms - trusted.ms) <= clockStepMs) {
      difference = ms
      if (at - trusted.since >= clockSettleMs) trusted = { ms, since: at }
      if (stepped === undefined) return
      stepped = undefined
      stableSince = at
      onReturn()
    } else if (stepped === undefined) {
      steps++
      stepped = { ms, since: at, age: ageAt(at) }
      onStep(Math.round(ms - trusted.ms))
    } else if (Math.abs(ms - stepped.ms) > clockStepMs) {
      stepped = { ...stepped, ms, since: at }
    }
  }

  function ageAt(at: number): number {
    lastAge = Math.max(lastAge, Math.floor(at + difference - offset))
    return lastAge
  }

  function age(): number {
    observe()
    return ageAt(monotonic())
  }

  function now(): number {
    observe()
    lastNow = Math.max(lastNow, Math.floor(monotonic() + difference))
    return lastNow
  }

  function trust(ms: number, at: number): void {
    if (ms < difference) lastNow = Number.NEGATIVE_INFINITY
    difference = ms
    trusted = { ms, since: at }
    stepped = undefined
    stableSince = at
    hasSettled = true
  }

  return {
    now,
    age,
    settledAge() {
      const current = age()
      return stepped?.age ?? current
    },
    get offset() {
      return Math.round(offset)
    },
    get isHeld() {
      observe()
      return stepped !== undefined
    },
    get steps() {
      observe()
      return steps
    },
    get isDue() {
      observe()
      if (stepped === undefined && hasSettled) return false
      return monotonic() - (stepped?.since ?? stableSince) >= clockSettleMs
    },
    adopt() {
      const before = age()
      const at = monotonic()
      const ms = wall() - at
      const movedMs = Math.round(ms - difference)
      // A clock that is still behind the log's last time is wrong: the downtime is determined when it is right.
      const claimedMs = since === undefined ? 0 : Math.round(begun + ms - since)
      const countedMs = Math.min(Math.max(0, claimedMs), maxDowntimeMs)
      if (claimedMs >= 0) since = undefined
      trust(ms, at)
      offset = at + ms - before - countedMs
      return { movedMs, claimedMs, countedMs }
    },
    follow({ age: itsAge, wall: itsWall }) {
      const at = monotonic()
      trust(wall() - at, at)
      offset = itsWall - itsAge
      since = undefined
    },
    get isKeepable() {
      return hasSettled
    },
  }
}
