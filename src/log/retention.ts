import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Limits } from '../limits.ts'
import type { Seq } from '../model/cursor.ts'
import { idempotencyWindowMs } from '../model/idempotency-key.ts'
import { defaultRetention } from '../model/retention.ts'
import type { AuditStore } from '../store/audit-store.ts'
import type { LogStore, PruneQuery } from '../store/log-store.ts'
import type { SessionStore } from '../store/session-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Hub } from './hub.ts'

/** Enforces retention in the background and in small steps, so that an append waits for at most one of them. */
export interface Retention {
  start(): Promise<void>
  /**
   * Removes messages beyond their topic's retention, and expired ids, keys, empty topics, sessions, peers and audit
   * entries.
   */
  sweep(): Promise<void>
  /** Removes the messages of a topic up to a seq, all by default. Returns how many. Other peers keep theirs. */
  purge(topic: string, through?: Seq): Promise<number>
  /** Deletes one message; false when none has this id. Other peers keep theirs, and it does not come back from them. */
  delete(id: string): Promise<boolean>
  /** Finishes the current step. */
  stop(): Promise<void>
}

export type RetentionLimits = Pick<
  Limits,
  | 'retentionMaxAgeMs'
  | 'retentionMaxMessages'
  | 'retentionMaxBytes'
  | 'retentionSweepMs'
  | 'maxPruneMessages'
  | 'seenWindowMs'
  | 'topicKeptMs'
  | 'maxEmptyTopics'
  | 'auditMaxAgeMs'
>

export interface RetentionComponents {
  log: Pick<LogStore, 'prunable' | 'prune' | 'delete' | 'forget' | 'forgetTopics'>
  audit: Pick<AuditStore, 'forget'>
  sessions: Pick<SessionStore, 'forget'>
  /** Forgets expired peers. */
  peers: { sweep(): Promise<void> }
  hub: Pick<Hub, 'prune' | 'delete'>
  logger: Logger
  metrics: Pick<Metrics, 'pruned'>
  /** Age time, which stands still while the clock is not trusted. */
  now?: () => number
}

export function createRetention(init: { limits: RetentionLimits }, components: RetentionComponents): Retention {
  const { limits } = init
  const { log, audit, sessions, peers, hub, metrics, logger, now = Date.now } = components
  const defaults = defaultRetention(limits)
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let sweeping: Promise<void> = Promise.resolve()

  async function sweep(): Promise<void> {
    for (let topics = await prunable(); topics.length > 0; topics = await prunable()) {
      for (const topic of topics) await pruneAll(topic, {})
    }
    const times = { now: now(), idsBefore: now() - limits.seenWindowMs, keysBefore: now() - idempotencyWindowMs }
    while (!stopped && (await log.forget({ ...times, limit: limits.maxPruneMessages })) > 0) await nextTurn()
    const surplus = { emptyBefore: now() - limits.topicKeptMs, maxEmpty: limits.maxEmptyTopics, limit: limits.maxPruneMessages }
    while (!stopped && (await log.forgetTopics(surplus)) > 0) await nextTurn()
    if (!stopped) await peers.sweep()
    while (!stopped && (await sessions.forget({ before: now(), limit: limits.maxPruneMessages })) > 0) await nextTurn()
    if (limits.auditMaxAgeMs === 0) return
    const before = now() - limits.auditMaxAgeMs
    while (!stopped && (await audit.forget({ before, limit: limits.maxPruneMessages })) > 0) await nextTurn()
  }

  async function prunable(): Promise<string[]> {
    return stopped ? [] : await log.prunable(query())
  }

  function query(): PruneQuery {
    return { defaults, now: now() }
  }

  async function pruneAll(topic: string, options: { through?: Seq }): Promise<number> {
    let messages = 0
    while (!stopped) {
      const pruned = await log.prune({ ...query(), ...options, topic, limit: limits.maxPruneMessages })
      if (pruned === undefined) break
      messages += pruned.messages
      hub.prune(topic, pruned)
      metrics.pruned(pruned.messages, pruned.bytes)
      // Yields to waiting work.
      await nextTurn()
    }
    return messages
  }

  function later(): void {
    if (stopped) return
    timer = setTimeout(() => {
      sweeping = sweep()
        .catch((err: unknown) => logger.warn({ err }, 'could not remove expired data; retrying'))
        .finally(later)
    }, limits.retentionSweepMs)
  }

  return {
    async start() {
      stopped = false
      later()
    },
    sweep,
    purge: (topic, through = Number.MAX_SAFE_INTEGER) => pruneAll(topic, { through }),
    async delete(id) {
      const deleted = await log.delete(id, now())
      if (deleted === undefined) return false
      hub.delete(deleted.seq)
      metrics.pruned(1, deleted.bytes)
      return true
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      await sweeping
    },
  }
}
