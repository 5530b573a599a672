import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from 'pino'
import { z } from 'zod'
import { backOffMs } from '../../lib/back-off.ts'
import { createWatchers } from '../../lib/watchers.ts'
import type { StoreChange } from '../store.ts'
import { connectionOptions } from './database.ts'
import { channel } from './functions.ts'

/**
 * A dedicated connection that receives the changes of other gateways and holds this one's peer id: the lock ends with
 * the connection, so that a killed gateway can restart at once.
 */
export interface Listener {
  /** @throws the error of the first connection */
  start(): Promise<void>
  /** Claims the peer id, and keeps it across reconnects; false when another process holds it. */
  claim(peerId: string): Promise<boolean>
  /** Notifies the other gateways. Lost when the database is away; they then reread everything anyway. */
  tell(kind: 'topics' | 'peers'): Promise<void>
  listen(listener: (change: StoreChange) => void): () => void
  stop(): Promise<void>
}

/** Milliseconds between heartbeats, which also make up for lost notifications. */
const beatMs = 5_000
/** Between attempts to connect again. */
const pauses = { firstMs: 100, lastMs: 5_000 }
/**
 * How long to wait for a key, in milliseconds: another process may be stopping, and the server needs time to notice a
 * killed one.
 */
const claimMs = 5_000
const claimRetryMs = 100

const noticeSchema = z.union([
  z.object({ by: z.string(), kind: z.literal('pruned'), topic: z.string(), through: z.number(), pruneCount: z.number() }),
  z.object({ by: z.string(), kind: z.literal('deleted'), seq: z.number() }),
  z.object({ by: z.string(), kind: z.literal('tokens'), token: z.string().optional(), session: z.string().optional() }),
  z.object({ by: z.string(), kind: z.enum(['log', 'topics', 'peers', 'epoch']) }),
])

export function createListener(init: { url: string; origin: string }, components: { logger: Logger }): Listener {
  const { url, origin } = init
  const { logger } = components
  const watchers = createWatchers<[change: StoreChange]>()
  let client: pg.Client | undefined
  let claimed: string | undefined
  let stopped = false
  let running: Promise<void> | undefined
  let wake = new AbortController()

  function emit(change: StoreChange): void {
    watchers.tell(change)
  }

  function onNotice(text: string | undefined): void {
    try {
      const notice = noticeSchema.parse(JSON.parse(text ?? ''))
      // A deletion may have taken effect though its answer was lost.
      if (notice.by === origin && notice.kind !== 'deleted') return
      const { by, ...change } = notice
      emit(change)
    } catch (err) {
      // It may come from a newer version; something has changed.
      logger.debug({ err }, 'could not parse a notification from another gateway')
      emit({ kind: 'everything' })
    }
  }

  async function connect(): Promise<pg.Client> {
    const fresh = new pg.Client(connectionOptions(url))
    fresh.on('error', (err) => logger.debug({ err }, 'the listening connection to the database broke'))
    fresh.on('end', () => {
      if (client === fresh) wake.abort()
    })
    fresh.on('notification', ({ payload }) => onNotice(payload))
    try {
      await fresh.connect()
      await fresh.query(`LISTEN ${channel}`)
    } catch (error) {
      await fresh.end().catch(() => undefined)
      throw error
    }
    return fresh
  }

  async function tryLock(connection: pg.Client, peerId: string): Promise<boolean> {
    const { rows } = await connection.query<{ held: boolean }>(`SELECT pg_try_advisory_lock(x'50656575'::int, hashtext($1)) AS held`, [
      peerId,
    ])
    return rows[0]?.held === true
  }

  async function lock(connection: pg.Client, peerId: string): Promise<boolean> {
    for (const deadline = performance.now() + claimMs; ; await delay(claimRetryMs)) {
      if (await tryLock(connection, peerId)) return true
      if (performance.now() > deadline) return false
    }
  }

  /** Watches the connection until it breaks. */
  async function watch(connection: pg.Client): Promise<void> {
    const { signal } = wake
    while (!stopped && !signal.aborted) {
      await delay(beatMs, undefined, { signal }).catch(() => undefined)
      if (stopped || signal.aborted) return
      await connection.query('SELECT 1')
      emit({ kind: 'log' })
    }
  }

  async function reconnect(): Promise<void> {
    for (let failures = 0; !stopped; failures++) {
      try {
        wake = new AbortController()
        const fresh = await connect()
        client = fresh
        if (claimed !== undefined && !(await lock(fresh, claimed))) emit({ kind: 'identity' })
        emit({ kind: 'everything' })
        return
      } catch (err) {
        const retryMs = backOffMs(pauses, failures)
        logger.warn({ err, retryMs }, 'could not listen to the database; retrying')
        await delay(retryMs, undefined, { signal: wake.signal }).catch(() => undefined)
      }
    }
  }

  async function run(): Promise<void> {
    while (!stopped) {
      if (client !== undefined)
        await watch(client).catch((err: unknown) => logger.warn({ err }, 'the listening connection does not answer'))
      if (stopped) break
      // Not awaited: the server may not answer.
      void client?.end().catch(() => undefined)
      client = undefined
      await reconnect()
    }
    await client?.end().catch(() => undefined)
    client = undefined
  }

  return {
    async start() {
      stopped = false
      wake = new AbortController()
      client = await connect()
      running = run()
    },
    async claim(peerId) {
      if (client === undefined || !(await lock(client, peerId))) return false
      claimed = peerId
      return true
    },
    async tell(kind) {
      try {
        await client?.query('SELECT pg_notify($1, $2)', [channel, JSON.stringify({ by: origin, kind })])
      } catch (err) {
        logger.debug({ err }, 'could not notify the other gateways of a change')
      }
    },
    listen: watchers.watch,
    async stop() {
      stopped = true
      claimed = undefined
      wake.abort()
      await running
    },
  }
}
