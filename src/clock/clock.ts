import type { Logger } from 'pino'
import type { ClockCheckpoint, ClockStore } from '../store/clock-store.ts'
import type { Ages } from './ages.ts'
import { createTimeline, type Timeline, type TimelineLimits } from './timeline.ts'

/**
 * The clock of the log, for all gateways of its database: wall time and age time (timeline.ts), kept over restarts. With PostgreSQL it is the
 * database's clock that is looked at, with SQLite that of this process.
 */
export interface Clock extends Ages {
  /** Wall time, in whole milliseconds since 1970; that of the process until it is started. */
  now(): number
  /** Whether the wall clock has stepped and is not trusted yet. */
  readonly isHeld: boolean
  /** Steps that were noticed since the start. */
  readonly steps: number
  /** Goes on from where the log's clock stood last; to be called when the store is open. */
  start(): Promise<void>
  /** Looks at the wall clock, adopts what has settled, and notes now and then how far time is: what is done every second. */
  look(): Promise<void>
  stop(): Promise<void>
}

export interface ClockComponents {
  store: ClockStore
  logger: Logger
  /** Milliseconds; the process's own by default. */
  wall?: () => number
  monotonic?: () => number
}

/** Milliseconds between two looks at the process's clock, and at that of a database. */
const lookMs = 1_000
const askMs = 5_000
/** Between two notes of how far time is: a crash sets age time back by it. */
const noteMs = 30_000
/** A database that takes longer to say its time is not believed. */
const maxAnswerMs = 2_000

export function createClock(init: { limits: TimelineLimits }, components: ClockComponents): Clock {
  const { limits } = init
  const { store, logger, wall = Date.now, monotonic = () => performance.now() } = components
  let timeline: Timeline | undefined
  let generation = 0
  /** The database's time less the monotonic clock's, when it was asked last; undefined where it has none of its own. */
  let asked: { ms: number; at: number } | undefined
  let notedAt = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> | undefined

  async function read(): Promise<ClockCheckpoint | undefined> {
    const begun = monotonic()
    const reading = await store.read()
    const ended = monotonic()
    if (reading.wall !== undefined && (asked === undefined || ended - begun <= maxAnswerMs)) {
      asked = { ms: reading.wall - (begun + ended) / 2, at: ended }
    }
    return reading.checkpoint
  }

  function follow(checkpoint: ClockCheckpoint): void {
    const isFirst = generation === 0
    generation = checkpoint.generation
    timeline?.follow(checkpoint)
    if (!isFirst) logger.warn({ now: iso(now()) }, 'another gateway of the database has adopted the time of its clock; so does this one')
  }

  /** Notes what age and wall time are now, as the next generation or in the place of this one's; another gateway may have been faster. */
  async function note(next: number): Promise<void> {
    notedAt = monotonic()
    if (await store.save({ generation: next, age: age(), wall: now() }, generation)) {
      generation = next
      return
    }
    const theirs = await read()
    if (theirs !== undefined && theirs.generation !== generation) follow(theirs)
  }

  async function adopt(running: Timeline): Promise<void> {
    const { movedMs, claimedMs, countedMs } = running.adopt()
    if (Math.abs(movedMs) > limits.clockStepMs)
      logger.warn({ movedMs, now: iso(now()) }, 'the clock has been stable for long enough: its time counts from now on')
    if (claimedMs > countedMs) {
      logger.warn({ claimedMs, countedMs }, 'by its clock nobody used the log for longer than is plausible: what it holds ages by less')
    }
    await note(generation + 1)
  }

  async function work(): Promise<void> {
    const running = timeline
    if (running === undefined) return
    if (asked !== undefined && monotonic() - asked.at >= askMs) {
      const theirs = await read()
      if (theirs !== undefined && theirs.generation !== generation) follow(theirs)
    }
    if (running.isDue) await adopt(running)
    else if (running.isKeepable && !running.isHeld && monotonic() - notedAt >= noteMs) await note(Math.max(1, generation))
  }

  /** One at a time. */
  function look(): Promise<void> {
    looking ??= work()
      .catch((err: unknown) => logger.warn({ err }, 'how far time is could not be noted; it is tried again'))
      .finally(() => {
        looking = undefined
      })
    return looking
  }

  const now = () => timeline?.now() ?? wall()
  const age = () => timeline?.age() ?? wall()

  return {
    now,
    age,
    settledAge: () => timeline?.settledAge() ?? wall(),
    toWall: (time) => time + now() - age(),
    toAge: (time) => time + age() - now(),
    get isHeld() {
      return timeline?.isHeld ?? false
    },
    get steps() {
      return timeline?.steps ?? 0
    },
    async start() {
      const checkpoint = await read()
      generation = checkpoint?.generation ?? 0
      timeline = createTimeline(
        { limits },
        {
          wall: () => (asked === undefined ? wall() : monotonic() + asked.ms),
          monotonic,
          checkpoint,
          onStep(stepMs) {
            logger.warn(
              { stepMs, settleMs: limits.clockSettleMs },
              'the clock has stepped: nothing becomes too old until it has been stable',
            )
          },
          onReturn: () => logger.warn('the clock is back where it was before it stepped'),
        },
      )
      // A full disk is no reason not to start.
      if (checkpoint === undefined) await look()
      timer = setInterval(() => void look(), Math.min(lookMs, limits.clockSettleMs / 4))
    },
    look,
    async stop() {
      clearInterval(timer)
      timer = undefined
      await looking
      if (timeline?.isKeepable === true && !timeline.isHeld) {
        await note(Math.max(1, generation)).catch((err: unknown) => logger.warn({ err }, 'how far time is could not be noted'))
      }
    },
  }
}

function iso(time: number): string {
  return new Date(time).toISOString()
}
