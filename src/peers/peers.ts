import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Logger } from 'pino'
import { type Ages, agesOf } from '../clock/ages.ts'
import type { ConnectedPeer, EngineEvent, P2PEngine } from '../engine/engine.ts'
import {
  DhtDisabled,
  DhtUnavailable,
  DialFailed,
  type ErrorDetail,
  InvalidPeerId,
  PeerBlocked,
  PeergateError,
  PeerNotFound,
  PeerUnreachable,
  SelfDial,
} from '../errors.ts'
import { createSerial } from '../lib/serial.ts'
import { type KnownAddress, type Peer, parseAddress } from '../model/peer.ts'
import type { PeerSighting, PeerStore } from '../store/peer-store.ts'
import type { Store } from '../store/store.ts'
import { redialKnownPeers, scanPeers } from './known-peers.ts'
import { listPeers } from './peer-list.ts'
import { peerView, sightingOf, withPeerId } from './peer-view.ts'
import { createSightings } from './sightings.ts'

/** The other peers: those connected now, as the engine knows them, and those ever seen, as the store does. */
export interface Peers {
  /** Blocks at the engine what is blocked in the store, by whichever gateway, and notes from now on who is seen; to be called before the engine starts. */
  start(): Promise<void>
  /** Begins to dial the peers seen last; to be called once the engine has started. Does not wait for them. */
  reconnect(): Promise<void>
  /** Stores what was seen. Idempotent. */
  stop(): Promise<void>
  /** By peer id, those after the id `after`; `next` is the `after` of the next page, null on the last one. */
  list(query: PeersQuery): Promise<{ items: Peer[]; next: string | null }>
  /** @throws PeerNotFound */
  get(peerId: string): Promise<Peer>
  /** Remembers the address when the peer is there. @throws InvalidMultiaddr, AddressUnsupported, DialForbidden, SelfDial, PeerBlocked, DialFailed */
  dial(multiaddr: string, options: { signal: AbortSignal }): Promise<Peer>
  /**
   * Dials a peer wherever it may be: at the addresses that are stored, then at those that the DHT finds, relays among them. Nothing happens
   * when there is a link. A peer that refused links lately is dialled only when a client asks for it.
   * @throws PeerNotFound when nobody knows an address, SelfDial, PeerBlocked, DialFailed with what became of each
   */
  dialPeer(peerId: string, options: DialPeerOptions): Promise<Peer>
  /** Closes the links to a peer. @throws PeerNotFound when it was never seen */
  hangUp(peerId: string): Promise<void>
  /** The same, and removes what is stored of it, label and block too. @throws PeerNotFound */
  forget(peerId: string): Promise<void>
  /** The round trip in milliseconds. @throws PeerNotConnected, PeerUnreachable */
  ping(peerId: string, options: { signal: AbortSignal }): Promise<number>
  /**
   * Forgets peers that were not seen for `peerKeptMs`, and the longest unseen beyond `maxKnownPeers`, but none that is linked, configured, labelled or
   * blocked. That linked ones are seen is noted now and then, for the gateways of the database and the next start.
   */
  sweep(): Promise<void>
  /** Sets what the operator says about a peer, seen or not. Blocking closes the links to it. */
  annotate(peerId: string, annotation: { label?: string | null | undefined; blocked?: boolean | undefined }): Promise<Peer>
  /** Has the listener told what happens to peers, in order. Answers a function that ends it. */
  watch(listener: (event: PeerNotice, peer: Peer) => void): () => void
}

export interface DialPeerOptions {
  signal: AbortSignal
  /** A client asks for this very dial, not for something that needs a link. */
  isAsked?: boolean
}

export type PeerNotice = 'connect' | 'update' | 'disconnect'

export interface PeersQuery {
  state?: Peer['state'] | undefined
  /** Only connected peers known to have joined it. */
  topic?: string | undefined
  after?: string | undefined
  limit: number
}

export interface PeersLimits {
  dialTimeoutMs: number
  pingTimeoutMs: number
  maxRemembered: number
  peerKeptMs: number
  maxKnownPeers: number
  maxPruneMessages: number
}

export interface PeersInit {
  limits: PeersLimits
  /** Peer ids of the configuration. */
  configured?: readonly string[]
}

export interface PeersComponents {
  engine: Pick<
    P2PEngine,
    'peerId' | 'dial' | 'hangUp' | 'ping' | 'peers' | 'block' | 'unblock' | 'topics' | 'subscribers' | 'listen' | 'routing'
  >
  store: { readonly peers: PeerStore } & Pick<Store, 'listen'>
  logger: Logger
  now?: () => number
  /** Age time, and age time that stands still while the clock is not trusted. */
  ages?: Pick<Ages, 'age' | 'settledAge'>
}

/** Between two notes that a linked peer is seen. */
const longestNoteMs = 3_600_000

/** Notices being worked out; beyond it they are dropped, since a watcher can read the peers at any time. */
const maxNotices = 1_000

export function createPeers(init: PeersInit, components: PeersComponents): Peers {
  const { limits, configured = [] } = init
  const { engine, logger, now = Date.now, ages = agesOf(now) } = components
  const store = components.store.peers
  const sightings = createSightings({ store, logger })
  const watchers = new Set<(event: PeerNotice, peer: Peer) => void>()
  /** Peers whose record is gone, but whose disconnect is still to come: it must not bring the record back. */
  const forgotten = new Set<string>()
  /** Blocking, unblocking and forgetting happen one at a time, so that store and engine can't end up apart. */
  const inTurn = createSerial()
  const notify = createSerial()
  let notices = 0
  /** What is blocked at the engine. */
  const blocked = new Set<string>()
  let linkedNotedAt = Number.NEGATIVE_INFINITY
  let running: { abort: AbortController; unlisten(): void; redial?: Promise<void> } | undefined

  function note(sighting: PeerSighting): void {
    sightings.note({ ...sighting, seenAge: ages.age() })
  }

  function onEvent(event: EngineEvent): void {
    switch (event.type) {
      case 'peer:connect':
      case 'peer:update':
        forgotten.delete(event.peer.peerId)
        note(sightingOf(event.peer, now()))
        tell(event.type === 'peer:connect' ? 'connect' : 'update', event.peer.peerId, event.peer)
        break
      case 'peer:disconnect':
        if (!forgotten.delete(event.peerId)) note({ peerId: event.peerId, multiaddrs: [], source: 'learnt', seenAt: now() })
        tell('disconnect', event.peerId)
        break
      case 'peer:discovery': {
        const multiaddrs = event.multiaddrs.flatMap((address) => withPeerId(address, event.peerId))
        note({ peerId: event.peerId, multiaddrs, source: event.source, seenAt: now() })
        break
      }
      case 'peer:behind':
      case 'peer:left':
      case 'peer:room':
      case 'topic:subscribe':
      case 'topic:unsubscribe':
        break
      default:
        event satisfies never
    }
  }

  const here = () => ({ now: now(), gateway: engine.peerId })

  function tell(event: PeerNotice, peerId: string, connected?: ConnectedPeer): void {
    if (watchers.size === 0 || notices >= maxNotices) return
    notices++
    notify(async () => {
      const peer = peerView(peerId, await store.get(peerId), connected, (await sharedTopics()).get(peerId), here())
      for (const watcher of watchers) watcher(event, peer)
    })
      .catch((error: unknown) => logger.warn({ err: error }, 'a notice about a peer was lost'))
      .finally(() => notices--)
  }

  /** The topics we have joined, by the connected peers that have joined them too. */
  async function sharedTopics(): Promise<Map<string, string[]>> {
    const shared = new Map<string, string[]>()
    for (const topic of await engine.topics()) {
      for (const peerId of await engine.subscribers(topic)) shared.set(peerId, [...(shared.get(peerId) ?? []), topic])
    }
    return shared
  }

  async function connectedPeers(): Promise<Map<string, ConnectedPeer>> {
    return new Map((await engine.peers()).map((peer) => [peer.peerId, peer]))
  }

  async function find(peerId: string): Promise<Peer | undefined> {
    await sightings.flush()
    const record = await store.get(peerId)
    const connected = (await connectedPeers()).get(peerId)
    if (record === undefined && connected === undefined) return undefined
    return peerView(peerId, record, connected, (await sharedTopics()).get(peerId), here())
  }

  async function get(peerId: string): Promise<Peer> {
    const peer = await find(peerId)
    if (peer === undefined) throw new PeerNotFound('This gateway has never seen this peer.')
    return peer
  }

  async function list({ state, topic, after, limit }: PeersQuery): Promise<{ items: Peer[]; next: string | null }> {
    await sightings.flush()
    const connected = await connectedPeers()
    const shared = await sharedTopics()
    const among = topic === undefined ? undefined : new Set(await engine.subscribers(topic))
    const items: Peer[] = []
    for await (const listed of listPeers({ state, among, after, pageSize: limit + 1 }, { store, connected })) {
      const { peerId, record } = listed
      const peer = peerView(peerId, record, listed.connected, shared.get(peerId), here())
      if (state !== undefined && peer.state !== state) continue
      if (items.length === limit) return { items, next: items.at(-1)?.peerId ?? null }
      items.push(peer)
    }
    return { items, next: null }
  }

  /** Answers whether one of them led to the peer; notes why not. @throws PeerBlocked, the signal's reason */
  async function dialAny(addresses: KnownAddress[], attempts: ErrorDetail[], options: AnyOptions): Promise<boolean> {
    const { signal } = options
    for (const { multiaddr, source } of addresses) {
      try {
        const deadline = AbortSignal.any([signal, AbortSignal.timeout(limits.dialTimeoutMs)])
        const peer = await engine.dial(multiaddr, { ...options, signal: deadline, source })
        note(sightingOf(peer, now()))
        return true
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof PeerBlocked) throw error
        attempts.push({ path: multiaddr, message: error instanceof Error ? error.message : String(error) })
      }
    }
    return false
  }

  async function addressesInDht(peerId: string, signal: AbortSignal): Promise<string[]> {
    try {
      return (await engine.routing.findPeer(peerId, { signal })).multiaddrs
    } catch (error) {
      if ([PeerNotFound, DhtUnavailable, DhtDisabled].some((kind) => error instanceof kind)) return []
      throw error
    }
  }

  async function setBlocked(peerId: string, isBlocked: boolean): Promise<void> {
    if (isBlocked) {
      await engine.block(peerId)
      blocked.add(peerId)
    } else {
      await engine.unblock(peerId)
      blocked.delete(peerId)
    }
  }

  /** Blocks at the engine what is blocked in the store, and nobody else. */
  function followBlocks(): Promise<void> {
    return inTurn(async () => {
      const stored = new Set<string>()
      for await (const { peerId } of scanPeers(store, { blocked: true })) stored.add(peerId)
      for (const peerId of stored) if (!blocked.has(peerId)) await setBlocked(peerId, true)
      for (const peerId of blocked) if (!stored.has(peerId)) await setBlocked(peerId, false)
    })
  }

  async function sweep(): Promise<void> {
    const linked = [...(await connectedPeers()).keys()]
    if (ages.age() - linkedNotedAt >= Math.min(longestNoteMs, limits.peerKeptMs / 4)) {
      linkedNotedAt = ages.age()
      for (const peerId of linked) note({ peerId, multiaddrs: [], source: 'learnt', seenAt: now() })
    }
    await sightings.flush()
    const query = {
      seenBefore: ages.settledAge() - limits.peerKeptMs,
      max: limits.maxKnownPeers,
      keep: [...linked, ...configured],
      limit: limits.maxPruneMessages,
    }
    while ((await store.forgetUnseen(query)) > 0) await nextTurn()
  }

  return {
    async start() {
      if (running !== undefined) return
      await followBlocks()
      const unlistenEngine = engine.listen(onEvent)
      const unlistenStore = components.store.listen(({ kind }) => {
        if (kind !== 'peers' && kind !== 'everything') return
        followBlocks().catch((err: unknown) => logger.warn({ err }, 'peers that were blocked at other gateways could not be blocked here'))
      })
      const unlisten = () => {
        unlistenEngine()
        unlistenStore()
      }
      running = { abort: new AbortController(), unlisten }
    },
    async reconnect() {
      if (running === undefined) return
      const { signal } = running.abort
      running.redial = redialKnownPeers(limits, { engine, store, logger, signal }).catch((error: unknown) => {
        logger.warn({ err: error }, 'the known peers could not be dialled')
      })
    },
    async stop() {
      if (running === undefined) return
      const { abort, unlisten, redial } = running
      running = undefined
      abort.abort()
      await redial
      unlisten()
      await sightings.flush()
    },
    list,
    get,
    async dial(multiaddr, { signal }) {
      const address = parseAddress(multiaddr).toString()
      const late = () => new DialFailed(`Nobody answered within ${limits.dialTimeoutMs} ms.`)
      const peer = await within(limits.dialTimeoutMs, signal, late, (both) => engine.dial(multiaddr, { signal: both, source: 'rest' }))
      note(sightingOf(peer, now()))
      // The link may have been there, and lead elsewhere: then nothing is known of this address.
      if (peer.isThere) note({ peerId: peer.peerId, multiaddrs: withPeerId(address, peer.peerId), source: 'rest', seenAt: now() })
      return await get(peer.peerId)
    },
    async dialPeer(peerId, { signal, isAsked = false }) {
      if (peerId === engine.peerId) throw new SelfDial('This is the gateway itself, which is no peer of its own.')
      if ((await connectedPeers()).has(peerId)) return await get(peerId)
      const attempts: ErrorDetail[] = []
      await sightings.flush()
      const stored = (await store.get(peerId))?.addresses ?? []
      if (await dialAny(stored, attempts, { signal, isAsked, isRemembered: true })) return await get(peerId)
      const found = await addressesInDht(peerId, signal)
      const tried = new Set(stored.map(({ multiaddr }) => multiaddr))
      const fresh = found.filter((multiaddr) => !tried.has(multiaddr)).map((multiaddr) => ({ multiaddr, source: 'learnt' as const }))
      if (await dialAny(fresh, attempts, { signal, isAsked })) return await get(peerId)
      if (attempts.length === 0) throw new PeerNotFound('Nobody knows an address of this peer.')
      throw new DialFailed('The peer could not be dialled at any of its addresses.', { errors: attempts })
    },
    async hangUp(peerId) {
      await get(peerId)
      await engine.hangUp(peerId)
    },
    forget(peerId) {
      return inTurn(async () => {
        if ((await get(peerId)).state === 'connected') forgotten.add(peerId)
        await engine.hangUp(peerId)
        await sightings.flush()
        await store.forget(peerId)
        await setBlocked(peerId, false)
      })
    },
    async ping(peerId, { signal }) {
      const late = () => new PeerUnreachable(`The peer did not answer within ${limits.pingTimeoutMs} ms.`)
      return await within(limits.pingTimeoutMs, signal, late, (both) => engine.ping(peerId, { signal: both }))
    },
    sweep,
    annotate(peerId, { label, blocked: isBlocked }) {
      return inTurn(async () => {
        if (peerId === engine.peerId) throw new InvalidPeerId('This is the gateway itself, which is no peer of its own.')
        await store.annotate(peerId, {
          ...(label === undefined ? {} : { label }),
          ...(isBlocked === undefined ? {} : { blocked: isBlocked }),
        })
        if (isBlocked !== undefined) await setBlocked(peerId, isBlocked)
        return await get(peerId)
      })
    },
    watch(listener) {
      watchers.add(listener)
      return () => watchers.delete(listener)
    },
  }
}

interface AnyOptions {
  signal: AbortSignal
  isAsked: boolean
  isRemembered?: boolean
}

/** Does the work under a deadline; when that passes, the error is `late()`. */
async function within<Result>(
  ms: number,
  signal: AbortSignal,
  late: () => PeergateError,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const deadline = AbortSignal.timeout(ms)
  try {
    return await work(AbortSignal.any([signal, deadline]))
  } catch (error) {
    throw deadline.aborted && !(error instanceof PeergateError) ? late() : error
  }
}
