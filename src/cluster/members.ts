import type { Logger } from 'pino'
import { agesOf } from '../clock/ages.ts'
import type { Clock } from '../clock/clock.ts'
import type { P2PEngine } from '../engine/engine.ts'
import { StoreUnavailable } from '../errors.ts'
import { createDeadline } from '../lib/deadline.ts'
import { type Page, pageOf } from '../lib/page.ts'
import { createSingleFlight } from '../lib/single-flight.ts'
import { StartupError } from '../lib/startup-error.ts'
import type { GatewayView } from '../model/gateway-view.ts'
import type { Registration } from '../model/validator.ts'
import type { GatewayRecord } from '../store/gateway-store.ts'
import type { Store } from '../store/store.ts'
import { version } from '../version.ts'
import { createHeartbeats } from './heartbeats.ts'

/**
 * The gateways that share this gateway's database: their heartbeats, the claim of the peer id, and the links between
 * them. The links carry the messages of one gateway to the neighbours of the others.
 */
export interface Members {
  /** Claims this gateway's peer id for this process. @throws IdentityLeased */
  claim(): Promise<void>
  /** Starts the heartbeats of this gateway. */
  start(): Promise<void>
  /** Stops them and records that this gateway has stopped. */
  stop(): Promise<void>
  /** A page in the order of peer ids, exclusive of `after`. */
  list(query: { after?: string | undefined; limit: number }): Promise<Page<GatewayView>>
  /** The other running gateways, from a reading at most `maxAgeMs` old. @throws StoreUnavailable */
  others(maxAgeMs: number): Promise<GatewayRecord[]>
  /** Opens a link to another gateway, if one of its addresses answers. */
  link(peerId: string, multiaddrs: string[], signal?: AbortSignal): Promise<void>
  /**
   * Publishes changes to the other gateways. Resolves once they are stored, or after a failure, which the next beat
   * makes up for.
   */
  refresh(): Promise<void>
}

/** Another running process uses this key with the same database. */
export class IdentityLeased extends StartupError {
  override readonly name = 'IdentityLeased'
  readonly code = 'identity_in_use'
}

export interface MembersComponents {
  store: Pick<Store, 'gateways' | 'listen'>
  engine: Pick<P2PEngine, 'kind' | 'peerId' | 'multiaddrs' | 'peers' | 'dial'>
  /** Services and validators of this gateway's clients. Changes are published to the other gateways. */
  services: { readonly services: string[]; watch(watcher: () => unknown): () => void }
  validators: { readonly registrations: ReadonlyMap<string, Registration> }
  /** Another process has claimed the peer id: this process must exit. */
  onLost(): void
  logger: Logger
  /** The clock that dates beats; default that of the process. */
  clock?: Pick<Clock, 'age' | 'toWall'>
  /** The clock that measures the silence of others, in milliseconds; default that of the process. */
  monotonic?: () => number
}

/** Milliseconds between two beats, until a silent gateway counts as gone, and until it is deleted. */
const beatMs = 5_000
const goneMs = 15_000
const forgottenMs = 7 * 86_400_000
/** Addresses of another gateway that are tried per attempt, and the milliseconds for all of them. */
const maxAddresses = 4
const linkMs = 4_000

function toleratingUnavailable(error: unknown): void {
  if (!(error instanceof StoreUnavailable)) throw error
}

export function createMembers(components: MembersComponents): Members {
  const { store, engine, onLost, logger, clock = agesOf(), monotonic = () => performance.now() } = components
  const heartbeats = createHeartbeats({ age: clock.age, monotonic })
  let startedAt = 0
  let lastBeat = 0
  let timer: NodeJS.Timeout | undefined
  let unlisten: (() => void) | undefined
  let stopping = new AbortController()
  /** The last reading of the other gateways; `at` is by the monotonic clock. */
  let known: { at: number; records: Promise<GatewayRecord[]> } | undefined

  async function note(state: 'ready' | 'stopped'): Promise<void> {
    const about = {
      engine: engine.kind,
      version,
      multiaddrs: await engine.multiaddrs(),
      state,
      services: components.services.services,
      judged: [...components.validators.registrations.values()],
    }
    // Age time can stand still for a while after a clock was slightly ahead, and every beat must differ.
    lastBeat = Math.max(clock.age(), lastBeat + 1)
    await store.gateways.note({ peerId: engine.peerId, about, startedAt, seenAt: lastBeat })
  }

  async function read(): Promise<GatewayRecord[]> {
    const records = await store.gateways.list({ seenSince: clock.age() - forgottenMs })
    heartbeats.observe(records)
    return records
  }

  function isThere({ peerId, about }: GatewayRecord): boolean {
    return about.state === 'ready' && heartbeats.silence(peerId) <= goneMs
  }

  async function readOthers(): Promise<GatewayRecord[]> {
    return (await read()).filter((record) => isThere(record) && record.peerId !== engine.peerId)
  }

  /** Concurrent calls share one reading. */
  function others(maxAgeMs: number): Promise<GatewayRecord[]> {
    if (known !== undefined && monotonic() - known.at <= maxAgeMs) return known.records
    known = { at: monotonic(), records: readOthers() }
    // A failed reading is kept too, so that an unavailable database is not queried more often.
    known.records.catch(() => undefined)
    return known.records
  }

  async function linkOthers(): Promise<void> {
    const linked = new Set((await engine.peers()).map(({ peerId }) => peerId))
    const absent = (await others(0)).filter(({ peerId }) => !linked.has(peerId))
    await Promise.all(absent.map(({ peerId, about }) => link(peerId, about.multiaddrs)))
  }

  async function link(peerId: string, multiaddrs: string[], given?: AbortSignal): Promise<void> {
    using deadline = createDeadline(linkMs, [stopping.signal, ...(given === undefined ? [] : [given])])
    const { signal } = deadline
    for (const address of multiaddrs.slice(0, maxAddresses)) {
      try {
        await engine.dial(address, { signal, source: 'configured' })
        return
      } catch (err) {
        logger.debug({ err, peerId }, 'a gateway of the database did not answer at one of its addresses')
        if (signal.aborted) return
      }
    }
  }

  const beating = createSingleFlight(() =>
    note('ready')
      .then(linkOthers)
      .catch((err: unknown) => logger.warn({ err }, 'the heartbeat of this gateway failed')),
  )

  async function refresh(): Promise<void> {
    if (timer === undefined) return
    await note('ready').catch((err: unknown) => logger.warn({ err }, 'services and validators could not be published'))
  }

  components.services.watch(refresh)

  return {
    async claim() {
      if (await store.gateways.claim(engine.peerId)) return
      throw new IdentityLeased(
        `identity_in_use: another running gateway of this database has the peer id ${engine.peerId}. Stop it, or give this one a key of its own with PEERGATE_DATA_DIR or PEERGATE_KEY_FILE.`,
      )
    },
    async start() {
      startedAt = clock.age()
      unlisten = store.listen(({ kind }) => {
        if (kind === 'identity') onLost()
      })
      stopping = new AbortController()
      // A gateway starts also on a read-only database. The next beat tries again.
      await note('ready').catch(toleratingUnavailable)
      void beating.run()
      await store.gateways.forget({ seenBefore: clock.age() - forgottenMs }).catch(toleratingUnavailable)
      timer = setInterval(() => void beating.run(), beatMs)
    },
    async stop() {
      clearInterval(timer)
      unlisten?.()
      stopping.abort()
      await beating.idle()
      if (timer !== undefined) await note('stopped').catch((err: unknown) => logger.debug({ err }, 'the stop could not be recorded'))
      timer = undefined
    },
    link,
    others,
    refresh,
    async list({ after = '', limit }) {
      const views = (await read()).map((record) => {
        const { services: _, judged: __, ...about } = record.about
        return {
          peerId: record.peerId,
          ...about,
          state: about.state === 'ready' && !isThere(record) ? 'gone' : about.state,
          startedAt: new Date(clock.toWall(record.startedAt)).toISOString(),
          lastSeen: new Date(clock.toWall(record.seenAt)).toISOString(),
        }
      })
      const later = views.filter(({ peerId }) => peerId > after).toSorted((one, other) => (one.peerId < other.peerId ? -1 : 1))
      return pageOf(later, limit, ({ peerId }) => peerId)
    },
  }
}
