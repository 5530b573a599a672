import type { Logger } from 'pino'
import { createSingleFlight } from '../lib/single-flight.ts'
import type { ClockCheckpoint, ClockStore } from '../store/clock-store.ts'
import type { Ages } from './ages.ts'
import { createTimeline, type Timeline, type TimelineLimits } from './timeline.ts'

/**
 * The clock of the log, shared by all gateways of its database: wall time and age time (timeline.ts), kept across
 * restarts. With PostgreSQL it follows the database's clock, with SQLite this process's clock.
 */
export interface Clock extends Ages {
  /** Wall time, in whole milliseconds since 1970; the process's own time until the clock is started. */
  now(): number
  /** Whether the wall clock has stepped and is not trusted yet. */
  readonly isHeld: boolean
  /** Number of steps detected since the start. */
  readonly steps: number
  /** Continues from the log's last checkpoint. Call it when the store is open. */
  start(): Promise<void>
  /** Reads the wall clock, adopts it once it has settled, and saves a checkpoint now and then. Runs every second. */
  look(): Promise<void>
  stop(): Promise<void>
}

export interface ClockComponents {
  store: ClockStore
  logger: Logger
  /** In milliseconds. Default: the process's clocks. */
  wall?: () => number
  monotonic?: () => number
}

/** Milliseconds between two reads of the process's clock, and of the database's. */
const lookMs = 1_000
const askMs = 5_000
/** Milliseconds between two checkpoints: a crash sets age time back by up to this. */
const noteMs = 30_000
/** A reply of the database that takes longer, in milliseconds, is not used as a time. */
const maxAnswerMs = 2_000

export function createClock(init: { limits: TimelineLimits }, components: ClockComponents): Clock {
  const { limits } = init
  const { store, logger, wall = Date.now, monotonic = () => performance.now() } = components
  let timeline: Timeline | undefined
  let generation = 0
  /** The database's time minus the monotonic clock's, at the last read; undefined when it has no clock of its own. */
  let asked: { ms: number; at: number } | undefined
  let notedAt = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined

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
    if (!isFirst) logger.warn({ now: iso(now()) }, 'another gateway of this database adopted the time of its clock; following it')
  }

  /** Saves a checkpoint, as the next generation or replacing the current one; another gateway may have been faster. */
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
      logger.warn({ movedMs, now: iso(now()) }, 'the clock has been stable long enough; its time is adopted')
    if (claimedMs > countedMs) {
      logger.warn({ claimedMs, countedMs }, 'the clock claims an implausibly long downtime; stored data ages by less')
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

  const looking = createSingleFlight(() =>
    work().catch((err: unknown) => logger.warn({ err }, 'could not save the clock checkpoint; retrying')),
  )

  const now = () => timeline?.now() ?? wall()
  const age = () => timeline?.age() ?? wall()

  return {
    now,
    age,
    settledAge: () => timeline?.settledAge() ?? wall(),
    toWall: (time) => time + (timeline?.offset ?? 0),
    toAge: (time) => time - (timeline?.offset ?? 0),
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
            logger.warn({ stepMs, settleMs: limits.clockSettleMs }, 'the clock has stepped; nothing expires until it has been stable')
          },
          onReturn: () => logger.warn('the clock returned to its time before the step'),
        },
      )
      // A full disk must not prevent the start.
      if (checkpoint === undefined) await looking.run()
      timer = setInterval(() => void looking.run(), Math.min(lookMs, limits.clockSettleMs / 4))
    },
    look: looking.run,
    async stop() {
      clearInterval(timer)
      timer = undefined
      await looking.idle()
      if (timeline?.isKeepable === true && !timeline.isHeld) {
        await note(Math.max(1, generation)).catch((err: unknown) => logger.warn({ err }, 'could not save the clock checkpoint'))
      }
    },
  }
}

function iso(time: number): string {
  return new Date(time).toISOString()
}
