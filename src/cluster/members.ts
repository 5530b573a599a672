import type { Logger } from 'pino'
import { agesOf } from '../clock/ages.ts'
import type { Clock } from '../clock/clock.ts'
import type { P2PEngine } from '../engine/engine.ts'
import { StoreUnavailable } from '../errors.ts'
import { createDeadline } from '../lib/deadline.ts'
import { StartupError } from '../lib/startup-error.ts'
import type { GatewayView } from '../model/gateway-view.ts'
import type { Registration } from '../model/validator.ts'
import type { GatewayRecord } from '../store/gateway-store.ts'
import type { Store } from '../store/store.ts'
import { version } from '../version.ts'
import { createHeartbeats } from './heartbeats.ts'

/**
 * The gateways that share this one's database, and the place of this one among them. They keep links to each other, so that what one of them
 * publishes reaches the network also through the links of the others.
 */
export interface Members {
  /** Takes this gateway's peer id for this process. @throws IdentityLeased */
  claim(): Promise<void>
  /** Says from now on that this gateway is there. */
  start(): Promise<void>
  /** Says that it is not any more. */
  stop(): Promise<void>
  list(): Promise<GatewayView[]>
  /** The other gateways that are there, as they were so many milliseconds ago at most. @throws StoreUnavailable */
  others(maxAgeMs: number): Promise<GatewayRecord[]>
  /** Sees to it that there is a link to another gateway, if one of its addresses leads to it. */
  link(peerId: string, multiaddrs: string[], signal?: AbortSignal): Promise<void>
  /** Tells the others what has changed; resolves once they can see it, or could not be told, as the next beat will. */
  refresh(): Promise<void>
}

/** Another process uses this key with the same database. */
export class IdentityLeased extends StartupError {
  override readonly name = 'IdentityLeased'
  readonly code = 'identity_in_use'
}

export interface MembersComponents {
  store: Pick<Store, 'gateways' | 'listen'>
  engine: Pick<P2PEngine, 'kind' | 'peerId' | 'multiaddrs' | 'peers' | 'dial'>
  /** What clients of this gateway serve and judge; the others are told when it changes. */
  services: { readonly services: string[]; watch(watcher: () => unknown): () => void }
  validators: { readonly registrations: ReadonlyMap<string, Registration> }
  /** Another process has taken the peer id; this gateway has to end. */
  onLost(): void
  logger: Logger
  /** By which beats are dated; that of the process by default. */
  clock?: Pick<Clock, 'age' | 'toWall'>
  /** By which the silence of others is measured, in milliseconds; the process's own by default. */
  monotonic?: () => number
}

/** Milliseconds between two signs of life, after which a gateway counts as gone, and after which it is forgotten. */
const beatMs = 5_000
const goneMs = 15_000
const forgottenMs = 7 * 86_400_000
/** Addresses of another gateway that are tried at a time, and the milliseconds for all of them. */
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
  let beating: Promise<void> | undefined
  let stopping = new AbortController()
  /** The others, as they were last read, by the monotonic clock. */
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
    // Age time may stand still for a while, when a clock was a little ahead.
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

  /** Who comes while they are being read waits for the same reading. */
  function others(maxAgeMs: number): Promise<GatewayRecord[]> {
    if (known !== undefined && monotonic() - known.at <= maxAgeMs) return known.records
    known = { at: monotonic(), records: readOthers() }
    // A database that is away is not asked again sooner.
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
        logger.debug({ err, peerId }, 'another gateway of the database did not answer at one of its addresses')
        if (signal.aborted) return
      }
    }
  }

  function beat(): void {
    beating ??= note('ready')
      .then(linkOthers)
      .catch((err: unknown) => logger.warn({ err }, 'the other gateways could not be told that this one is there'))
      .finally(() => {
        beating = undefined
      })
  }

  async function refresh(): Promise<void> {
    if (timer === undefined) return
    await note('ready').catch((err: unknown) => logger.warn({ err }, 'the other gateways could not be told what is served and judged here'))
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
      // A database that takes no writes is read all the same; the next beat tries again.
      await note('ready').catch(toleratingUnavailable)
      beat()
      await store.gateways.forget({ seenBefore: clock.age() - forgottenMs }).catch(toleratingUnavailable)
      timer = setInterval(beat, beatMs)
    },
    async stop() {
      clearInterval(timer)
      unlisten?.()
      stopping.abort()
      await beating
      if (timer !== undefined) await note('stopped').catch((err: unknown) => logger.debug({ err }, 'the other gateways will find out'))
      timer = undefined
    },
    link,
    others,
    refresh,
    async list() {
      return (await read()).map((record) => {
        const { services: _, judged: __, ...about } = record.about
        return {
          peerId: record.peerId,
          ...about,
          state: about.state === 'ready' && !isThere(record) ? 'gone' : about.state,
          startedAt: new Date(clock.toWall(record.startedAt)).toISOString(),
          lastSeen: new Date(clock.toWall(record.seenAt)).toISOString(),
        }
      })
    },
  }
}
