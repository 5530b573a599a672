import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Logger } from 'pino'
import { type Ages, agesOf } from '../clock/ages.ts'
import type { ConnectedPeer, EngineEvent, P2PEngine } from '../engine/engine.ts'
import { PeerNotFound, PeerUnreachable, SelfDial } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { Peer } from '../model/peer.ts'
import type { PeerSighting, PeerStore } from '../store/peer-store.ts'
import type { Store } from '../store/store.ts'
import { type Annotation, createAnnotations } from './annotations.ts'
import { createBlocks } from './blocks.ts'
import { createBridgedPaths } from './bridged-paths.ts'
import { redialKnownPeers } from './known-peers.ts'
import { createPeerDials } from './peer-dials.ts'
import { listPeers } from './peer-list.ts'
import { createPeerNotices, type PeerNotice } from './peer-notices.ts'
import { peerView, sightingOf, withPeerId } from './peer-view.ts'
import { sharedTopics } from './shared-topics.ts'
import { createSightings } from './sightings.ts'
import { within } from './within.ts'

/**
 * The other peers, now connected (engine) or ever seen (store): labels, blocks, dials on request. Discovery is the
 * engine's.
 */
export interface Peers {
  /**
   * Applies the blocks of the store to the engine and starts to record sightings. To be called before the engine
   * starts.
   */
  start(): Promise<void>
  /** Starts to dial the peers seen last, without waiting for them. To be called once the engine has started. */
  reconnect(): Promise<void>
  /** Stores pending sightings. Idempotent. */
  stop(): Promise<void>
  /**
   * A page in the order of peer ids, exclusive of `after`. `next` is the `after` of the next page, null on the last
   * page.
   */
  list(query: PeersQuery): Promise<{ items: Peer[]; next: string | null }>
  /** @throws PeerNotFound */
  get(peerId: string): Promise<Peer>
  /**
   * Stores the address if the peer answers there.
   * @throws InvalidMultiaddr, AddressUnsupported, DialForbidden, SelfDial, PeerBlocked, DialFailed
   */
  dial(multiaddr: string, options: { signal: AbortSignal; asker?: string }): Promise<Peer>
  /**
   * Dials a peer by its id: at its stored addresses, then at those that the DHT finds, relays included. Does nothing if
   * a link exists. A peer that refused links recently is dialled only if a client asks for it.
   * @throws PeerNotFound when no address is known, SelfDial, PeerBlocked, DialFailed with the outcome of each attempt
   */
  dialPeer(peerId: string, options: DialPeerOptions): Promise<Peer>
  /** Closes the links to a peer. @throws PeerNotFound when it was never seen */
  hangUp(peerId: string): Promise<void>
  /** Closes the links to a peer and deletes its record, label and block included. @throws PeerNotFound */
  forget(peerId: string): Promise<void>
  /** The round trip in milliseconds. @throws PeerNotConnected, PeerUnreachable */
  ping(peerId: string, options: { signal: AbortSignal }): Promise<number>
  /**
   * Deletes peers unseen for `peerKeptMs`, and the longest unseen beyond `maxKnownPeers`. Keeps peers that are linked,
   * configured, labelled or blocked. Records from time to time that linked peers are seen, for other gateways of the
   * database and the next start.
   */
  sweep(): Promise<void>
  /**
   * Sets the label or the block of a peer, whether it was ever seen or not. Blocking closes the links to it.
   * @throws InvalidPeerId, and PeerLimit when too many other peers have one
   */
  annotate(peerId: string, annotation: Annotation): Promise<Peer>
  /** Calls the listener for each event of a peer, in order. Returns a function that ends it. */
  watch(listener: (event: PeerNotice, peer: Peer) => void): () => void
}

export interface DialPeerOptions {
  signal: AbortSignal
  /** A client asked for this dial itself, rather than for something that needs a link. */
  isAsked?: boolean
}

export interface PeersQuery {
  state?: Peer['state'] | undefined
  /** Limits the list to connected peers that are known to have joined this topic. */
  topic?: string | undefined
  after?: string | undefined
  limit: number
}

export type PeersLimits = Pick<
  Limits,
  'dialTimeoutMs' | 'pingTimeoutMs' | 'maxRemembered' | 'peerKeptMs' | 'maxKnownPeers' | 'maxAnnotatedPeers' | 'maxPruneMessages'
>

export interface PeersInit {
  limits: PeersLimits
  /** Ids of the configured peers. */
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

/** Milliseconds between two sightings of a linked peer, at most. */
const longestNoteMs = 3_600_000

export function createPeers(init: PeersInit, components: PeersComponents): Peers {
  const { limits, configured = [] } = init
  const { engine, logger, now = Date.now, ages = agesOf(now) } = components
  const store = components.store.peers
  const sightings = createSightings({ store, logger })
  /**
   * Peers whose record was deleted and whose disconnect event is still to come. The event must not restore the record.
   */
  const forgotten = new Set<string>()
  let linkedNotedAt = Number.NEGATIVE_INFINITY
  let running: { abort: AbortController; unlisten(): void; redial?: Promise<void> } | undefined

  function note(sighting: PeerSighting): void {
    sightings.note({ ...sighting, seenAge: ages.age() })
  }

  const blocks = createBlocks({ engine, store })
  const annotations = createAnnotations({ ownPeerId: engine.peerId, limits }, { store, blocks })
  const dials = createPeerDials({ dialTimeoutMs: limits.dialTimeoutMs }, { engine, store, sightings: { ...sightings, note }, now })
  const notices = createPeerNotices({ view, logger })
  const bridgedPaths = createBridgedPaths({ wallNow: now })

  function onEvent(event: EngineEvent): void {
    switch (event.type) {
      case 'peer:connect':
      case 'peer:update':
        forgotten.delete(event.peer.peerId)
        note(sightingOf(event.peer, now()))
        notices.tell(event.type === 'peer:connect' ? 'connect' : 'update', event.peer.peerId, event.peer)
        break
      case 'peer:disconnect':
        if (!forgotten.delete(event.peerId)) note({ peerId: event.peerId, multiaddrs: [], source: 'learnt', seenAt: now() })
        notices.tell('disconnect', event.peerId)
        break
      case 'peer:discovery': {
        const multiaddrs = event.multiaddrs.flatMap((address) => withPeerId(address, event.peerId))
        note({ peerId: event.peerId, multiaddrs, source: event.source, seenAt: now() })
        break
      }
      case 'peer:bridged':
        if (!bridgedPaths.note(event.peerId, event.via, event.beyond)) break
        note({ peerId: event.peerId, multiaddrs: [], source: 'learnt', seenAt: now() })
        notices.tell('update', event.peerId)
        break
      case 'peer:behind':
      case 'peer:begins':
      case 'peer:left':
      case 'peer:room':
      case 'message:announced':
      case 'message:missed':
      case 'topic:subscribe':
      case 'topic:unsubscribe':
      case 'topic:bridged':
        break
      default:
        event satisfies never
    }
  }

  const here = () => ({ now: now(), gateway: engine.peerId, throughBridge: bridgedPaths.of })

  async function view(peerId: string, connected: ConnectedPeer | undefined): Promise<Peer> {
    return peerView(peerId, await store.get(peerId), connected, (await sharedTopics(engine)).get(peerId), here())
  }

  async function connectedPeers(): Promise<Map<string, ConnectedPeer>> {
    return new Map((await engine.peers()).map((peer) => [peer.peerId, peer]))
  }

  async function find(peerId: string): Promise<Peer | undefined> {
    await sightings.flush()
    const record = await store.get(peerId)
    const connected = (await connectedPeers()).get(peerId)
    if (record === undefined && connected === undefined) return undefined
    return peerView(peerId, record, connected, (await sharedTopics(engine)).get(peerId), here())
  }

  async function get(peerId: string): Promise<Peer> {
    const peer = await find(peerId)
    if (peer === undefined) throw new PeerNotFound('This gateway has never seen this peer.')
    return peer
  }

  async function list({ state, topic, after, limit }: PeersQuery): Promise<{ items: Peer[]; next: string | null }> {
    await sightings.flush()
    const connected = await connectedPeers()
    const shared = await sharedTopics(engine)
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
      await blocks.follow()
      const unlistenEngine = engine.listen(onEvent)
      const unlistenStore = components.store.listen(({ kind }) => {
        if (kind !== 'peers' && kind !== 'everything') return
        blocks.follow().catch((err: unknown) => logger.warn({ err }, 'blocks set at other gateways could not be applied here'))
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
        logger.warn({ err: error }, 'known peers could not be dialled')
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
    async dial(multiaddr, options) {
      return await get(await dials.dial(multiaddr, options))
    },
    async dialPeer(peerId, { signal, isAsked = false }) {
      if (peerId === engine.peerId) throw new SelfDial('This peer id is that of the gateway itself.')
      if ((await connectedPeers()).has(peerId)) return await get(peerId)
      await dials.dialPeer(peerId, { signal, isAsked })
      return await get(peerId)
    },
    async hangUp(peerId) {
      await get(peerId)
      await engine.hangUp(peerId)
    },
    forget(peerId) {
      return blocks.inTurn(async () => {
        if ((await get(peerId)).state === 'connected') forgotten.add(peerId)
        await engine.hangUp(peerId)
        await sightings.flush()
        await store.forget(peerId)
        await blocks.set(peerId, false)
      })
    },
    async ping(peerId, { signal }) {
      const late = () => new PeerUnreachable(`The peer did not answer within ${limits.pingTimeoutMs} ms.`)
      return await within(limits.pingTimeoutMs, signal, late, (both) => engine.ping(peerId, { signal: both }))
    },
    sweep,
    async annotate(peerId, annotation) {
      await annotations.set(peerId, annotation)
      return await get(peerId)
    },
    watch: notices.watch,
  }
}
