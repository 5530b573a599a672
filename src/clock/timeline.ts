import type { ClockCheckpoint } from '../store/clock-store.ts'

/**
 * Two times, made of a wall clock that may step and a monotonic clock that may not. Pure: it only looks when it is asked, and keeps nothing.
 *
 * *Wall time* is what people see. *Age time* is what ages are measured by: it equals wall time as long as the clock is right, goes on by the
 * monotonic clock while it is not, and differs from it by a constant ever after.
 */
export interface Timeline {
  /** Wall time, in whole milliseconds since 1970. Goes back only when a step back was adopted. */
  now(): number
  /** Age time, in whole milliseconds. Never goes back, and is moved by no step. */
  age(): number
  /** Age time that stands still while the wall clock is not trusted: nothing becomes too old meanwhile. */
  settledAge(): number
  /** Whether the wall clock has stepped and is not trusted yet; wall time then goes on by the monotonic clock. */
  readonly isHeld: boolean
  /** Steps that were noticed. */
  readonly steps: number
  /** Whether what the wall clock says now, or says of the time this log was not in use, has been stable for long enough to be adopted. */
  readonly isDue: boolean
  /** Adopts it. Answers by how much wall time moved, and how long nobody used the log: as it claims, and as it was counted. */
  adopt(): { movedMs: number; claimedMs: number; countedMs: number }
  /** Takes over what another gateway of the database has adopted. */
  follow(checkpoint: ClockCheckpoint): void
  /** Whether age and wall time belong together, so that they are worth keeping for the next start. */
  readonly isKeepable: boolean
}

export interface TimelineLimits {
  /** A difference beyond it is a step; smaller ones are followed at once. Milliseconds. */
  clockStepMs: number
  /** How long a wall clock has to agree with the monotonic clock before it is trusted, in milliseconds. */
  clockSettleMs: number
  /** How much of the time since the last checkpoint counts at most, in milliseconds. */
  maxDowntimeMs: number
}

export interface TimelineComponents {
  /** Both in milliseconds. */
  wall(): number
  monotonic(): number
  /** Where the log's clock stood last. */
  checkpoint: Pick<ClockCheckpoint, 'age' | 'wall'> | undefined
  /** Called when the wall clock has stepped, with the size of the step in milliseconds, and when it has come back by itself. */
  onStep?(stepMs: number): void
  onReturn?(): void
}

/** A difference of the wall clock to the monotonic clock, and since when (by the monotonic one) it is known. */
interface Difference {
  ms: number
  since: number
}

export function createTimeline(init: { limits: TimelineLimits }, components: TimelineComponents): Timeline {
  const { clockStepMs, clockSettleMs, maxDowntimeMs } = init.limits
  const { wall, monotonic, checkpoint, onStep = () => undefined, onReturn = () => undefined } = components
  const begun = monotonic()
  const claimedAtStart = checkpoint === undefined ? 0 : wall() - checkpoint.wall
  /** Of the log's last time, which a clock that is behind it, or claims more than is plausible, has to earn. */
  const isPlausible = claimedAtStart >= -clockStepMs && claimedAtStart <= maxDowntimeMs
  const first = checkpoint === undefined || isPlausible ? wall() : checkpoint.wall
  /** What small differences are measured by; it follows them once in `clockSettleMs`, so that many small steps are a large one, too. */
  let trusted: Difference = { ms: first - begun, since: begun }
  /** Of the wall time that is answered. */
  let difference = trusted.ms
  /** Wall time less age time. A short time without use is counted at once, a longer one only when the clock has settled. */
  let offset = checkpoint === undefined ? 0 : first - checkpoint.age
  if (checkpoint !== undefined && isPlausible && claimedAtStart <= clockStepMs) offset = checkpoint.wall - checkpoint.age
  /** The last wall time of before, while it is not counted how long nobody used the log. */
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
      // A clock that is still behind the log's last time is wrong: how long nobody used the log is found out when it is right.
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
