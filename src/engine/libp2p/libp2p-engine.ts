import type { Connection } from '@libp2p/interface'
import type { KadDHT, SingleKadDHT } from '@libp2p/kad-dht'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { AddressUnsupported, PeerBlocked, PeerNotConnected, PeerUnreachable, SelfDial } from '../../errors.ts'
import type { Identity } from '../../identity/identity.ts'
import { createCounter } from '../../lib/counter.ts'
import { createSerial } from '../../lib/serial.ts'
import type { Limits } from '../../limits.ts'
import { sealDirect } from '../../model/direct-message.ts'
import { parseMultiaddr, peerIdOf } from '../../model/peer.ts'
import { createMessageSigner, sequenceBytes } from '../../model/signed-message.ts'
import type { RecordStore } from '../../store/record-store.ts'
import { type Asker, askerOf } from '../asker.ts'
import { createBodies } from '../bodies.ts'
import { createBackOff } from '../dial/back-off.ts'
import { relayOf, throughRelays } from '../dial/circuit-address.ts'
import { createDialDiscovered } from '../dial/discovered.ts'
import { withoutPeerId } from '../dial/endpoint.ts'
import { dialError } from '../dial/errors.ts'
import { createKeepConnected, type KeptPeer } from '../dial/keep-connected.ts'
import { createDialPolicy } from '../dial/policy.ts'
import type { ConnectedPeer, DialledPeer, DialOptions, EngineEvent, Inbound, P2PEngine } from '../engine.ts'
import { createIdentityConflicts } from '../identity-conflicts.ts'
import { createInboundGate } from '../inbound-gate.ts'
import { createLimitsReached } from '../limits-reached.ts'
import { createLocalDiscovery } from '../mdns/discovery.ts'
import { createNoRouting } from '../no-routing.ts'
import { createReading } from '../reading.ts'
import type { FoundPeer } from '../routing.ts'
import type { DhtMode } from '../settings.ts'
import { addressProblem } from './addresses.ts'
import { DhtDatastore } from './dht/dht-datastore.ts'
import { namespacesOf } from './dht/dht-namespaces.ts'
import { RecordDatastore } from './dht/record-datastore.ts'
import { createRouting } from './dht/routing.ts'
import { createDialledAt } from './dialled-at.ts'
import { boundGossip } from './gossip/gossip-frames.ts'
import { gossipInternals } from './gossip/gossip-internals.ts'
import { createGossipLanes, type GossipLanes, type GossipTraits } from './gossip/gossip-lanes.ts'
import { createGossipLinks, type GossipLinks } from './gossip/gossip-links.ts'
import { topicScoreParams } from './gossip/gossip-options.ts'
import { createRawPublish, type RawPublish } from './gossip/raw-publish.ts'
import { splitControl } from './gossip/split-control.ts'
import { verifyGossip } from './gossip/verify-gossip.ts'
import { createIdentifyAgain } from './identify-again.ts'
import { createIntroductions } from './introductions.ts'
import { createLinks } from './links.ts'
import { createNode, type Node } from './node.ts'
import { openPing, pingOver } from './ping.ts'
import { createProtocols } from './protocols.ts'
import { createSignsOfLife } from './signs-of-life.ts'
import { createSilentConnections } from './silent-connections.ts'
import { tellerOf } from './teller-of.ts'
import { createGater } from './transport/gater.ts'
import { createRelayServer } from './transport/relay-server.ts'

export interface Libp2pEngineInit {
  listen: string[]
  announce: string[]
  bootstrap: string[]
  mdns: boolean
  /** By default libp2p's own. */
  mdnsServiceName?: string
  /** Whether to be a relay for others. */
  relay: boolean
  /** The DHT to take part in; without one, none. */
  dht?: DhtMode | undefined
  /** Only nodes with the same key have anything to do with each other. */
  privateNetworkKey?: string | undefined
  dialPrivate: boolean
  dialOwnHost?: boolean
  agent: string
  limits: Limits
}

export interface Libp2pEngineComponents {
  identity: Identity
  records: RecordStore
  logger: Logger
}

/** What is there between a start and a stop. */
interface Running {
  node: Node
  raw: RawPublish
  gossip: GossipLinks
  lanes: GossipLanes
  /** How each subscribed topic's messages count for and against peers. */
  scored: Record<string, typeof topicScoreParams>
}

/** The P2PEngine contract on libp2p. A new node is made at each start; subscriptions and blocks are kept here. */
export function createLibp2pEngine(init: Libp2pEngineInit, components: Libp2pEngineComponents): P2PEngine {
  const { limits } = init
  const { identity, records, logger } = components
  const { peerId } = identity
  const signer = createMessageSigner(peerId, identity.seed)
  const policy = createDialPolicy(init)
  const reached = createLimitsReached()
  const datastore = new RecordDatastore(
    { maxPeers: limits.maxKnownPeers },
    { records, isLinked: (other) => (running?.node.getConnections(peerIdFromString(other)).length ?? 0) > 0, logger },
  )
  const namespaces = namespacesOf(init.dht ?? 'lan')
  const dhtDatastore = new DhtDatastore({ limits }, { inner: datastore, namespaces, onRefused: () => reached.note('dht_record') })
  const links = createLinks({ mayTell: (address, connection) => policy.mayTell(address, tellerOf(connection)) })
  const introductions = createIntroductions()
  const signsOfLife = createSignsOfLife()
  const dialledAt = createDialledAt()
  const backOff = createBackOff({ logger })
  const conflicts = createIdentityConflicts({ peerId }, { logger })
  /** When the first of the connections to a peer came, by the monotonic clock. */
  const linkedAt = new Map<string, number>()
  /** Peers that a client has just asked to be dialled. */
  const asked = createCounter()
  const topics = new Set<string>()
  const blocked = new Set<string>()
  /** Peers that somebody hung up on: not dialled again by ourselves until somebody dials them. */
  const letGo = new Set<string>()
  const listeners = new Set<(event: EngineEvent) => void>()
  let inbound: Inbound | undefined
  let running: Running | undefined
  const inTurn = createSerial()
  const reading = createReading({ limits }, { inbound: () => inbound })
  const inboundGate = createInboundGate({ limits, peerId }, { inbound: () => inbound, topics, logger })
  const bootstrap = keptPeers(init.bootstrap)
  const isProtected = (other: string) => bootstrap.some((peer) => peer.peerId === other)
  const relay = createRelayServer({ limits }, { isConfigured: isProtected, reached })
  const gater = createGater(limits, {
    blocked,
    letGo,
    isAvoided: (other) => asked.count(other) === 0 && backOff.waitMs(other) > 0,
    isProtected,
    connections: () => running?.node.getConnections() ?? [],
    reached,
    logger,
  })
  const kept = createKeepConnected({ peers: bootstrap, isSettled, isWanted, dial: dialAndTell('configured'), logger })
  const askerOfConnection = (connection: Connection): Asker => {
    const other = connection.remotePeer.toString()
    return askerOf(other, tellerOf(connection), { isConfigured: isProtected(other) })
  }
  const bodies = createBodies({ limits }, { onGivenUp: () => reached.note('body_given_up'), onRefused: () => reached.note('body_refused') })
  const protocols = createProtocols({ limits }, { bodies, reached, askerOf: askerOfConnection, logger })
  const identifyAgain = createIdentifyAgain({
    connections: () => running?.node.getConnections() ?? [],
    isIdentified: (other) => (peerOf(other)?.protocols.length ?? 0) > 0,
    identify: async (connection, signal) => await running?.node.services.identify.identify(connection, { signal }),
    logger,
  })
  const discovered = createDialDiscovered({ isWanted, dial: dialAndTell('mdns'), logger })
  const localNetwork = createLocalDiscovery(
    { serviceName: init.mdnsServiceName ?? '_p2p._udp.local', peerId, multiaddrs: ownAddresses },
    {
      onFound(other, multiaddrs, from) {
        policy.told(multiaddrs, { ip: from, isRelayed: false })
        discovered.found(other, multiaddrs)
      },
      logger,
    },
  )

  const silentConnections = createSilentConnections(
    { limits },
    {
      node: () => running?.node,
      signsOfLife,
      dialledAt,
      policy,
      isSettled,
      isWanted,
      dial: (text, signal) => dial(text, { source: 'learnt', signal }),
      logger,
    },
  )

  const routing = init.dht === undefined ? createNoRouting() : createRouting({ limits }, { dht: runningDht, linked, namespaces, identity })

  function runningDht(): { dht: KadDHT; size: number } | undefined {
    const dht = running?.node.services.dht
    return dht === undefined ? undefined : { dht, size: tableSize(dht) }
  }

  function linked(other: string): FoundPeer | undefined {
    const peer = peerOf(other)
    return peer === undefined
      ? undefined
      : { peerId: other, multiaddrs: peer.multiaddrs.filter((address) => address.endsWith(`/p2p/${other}`)) }
  }

  function ownAddresses(): string[] {
    return running?.node.getMultiaddrs().map((address) => address.toString()) ?? []
  }

  function emit(event: EngineEvent): void {
    for (const listener of listeners) listener(event)
  }

  function peerOf(other: string): ConnectedPeer | undefined {
    return running === undefined ? undefined : links.peer(running.node, other)
  }

  function isSettled(other: string): boolean {
    return letGo.has(other) || peerOf(other) !== undefined
  }

  /** Whether this node itself should dial a peer now. */
  function isWanted(other: string): boolean {
    if (running === undefined) return false
    if (running.node.getConnections().length >= limits.maxConnections && !isProtected(other)) return false
    return !blocked.has(other) && !isSettled(other) && other !== peerId && backOff.waitMs(other) === 0
  }

  function listenTo({ node, gossip, lanes }: Running): void {
    node.addEventListener('peer:connect', ({ detail }) => {
      linkedAt.set(detail.toString(), performance.now())
      const peer = peerOf(detail.toString())
      if (peer !== undefined) emit({ type: 'peer:connect', peer })
    })
    node.addEventListener('connection:open', ({ detail }) => silentConnections.opened(detail))
    node.addEventListener('peer:disconnect', ({ detail }) => {
      lanes.gone(detail.toString())
      gossip.gone(detail.toString())
      links.gone(detail.toString())
      relay.gone(detail)
      backOff.ended(detail.toString(), performance.now() - (linkedAt.get(detail.toString()) ?? 0))
      linkedAt.delete(detail.toString())
      emit({ type: 'peer:disconnect', peerId: detail.toString() })
      kept.lost(detail.toString())
    })
    node.addEventListener('peer:identify', ({ detail }) => {
      introductions.made(detail.connection)
      // The answer of a peer that has gone meanwhile would never be forgotten.
      if (peerOf(detail.peerId.toString()) === undefined) return
      links.identified(detail)
      lanes.identified(detail.peerId.toString())
      policy.told(
        detail.listenAddrs.map((address) => address.toString()),
        tellerOf(detail.connection),
      )
      const peer = peerOf(detail.peerId.toString())
      if (peer !== undefined) emit({ type: 'peer:update', peer })
    })
    node.services.pubsub.addEventListener('subscription-change', ({ detail }) => {
      const other = detail.peerId.toString()
      for (const { topic, subscribe } of detail.subscriptions) {
        if (!subscribe) emit({ type: 'topic:unsubscribe', peerId: other, topic })
        // One that can't be sent to yet is told of when it can.
        else if (gossip.reaches(other)) emit({ type: 'topic:subscribe', peerId: other, topic })
      }
      lanes.told(other)
    })
  }

  async function dial(address: string, { source, signal, isAsked = source === 'rest', isRemembered }: DialOptions): Promise<DialledPeer> {
    signal.throwIfAborted()
    const target = parseMultiaddr(address)
    const expected = peerIdOf(target)
    if (expected !== undefined && blocked.has(expected)) throw new PeerBlocked('This peer is blocked.')
    if (expected === peerId) throw new SelfDial('The address names this gateway itself.')
    if (running === undefined) throw dialError(address, new Error('the node is not running'))
    const problem = addressProblem(target)
    if (problem !== undefined) throw new AddressUnsupported(`${address} is not dialled: ${problem}.`)
    const where = withoutPeerId(target)
    const relay = relayOf(target)
    const relayId = relay === undefined ? undefined : peerIdOf(relay)
    const socket = withoutPeerId(relay ?? target)
    policy.note(socket, source)
    if (isRemembered === true) policy.remembered(socket)
    const { node } = running
    const waitMs = expected === undefined || isAsked || peerOf(expected) !== undefined ? 0 : backOff.waitMs(expected)
    if (waitMs > 0)
      throw dialError(address, new Error(`the peer refused a link lately, and is not dialled for ${Math.ceil(waitMs / 1_000)} s`))
    const isGiven = source === 'rest' || source === 'configured'
    using _through = isGiven ? policy.asking(where) : undefined
    using _asking = isGiven ? policy.asking(socket) : undefined
    // Whoever asks for a link through a relay asks for one to the relay.
    const wanted = isAsked ? [expected, relayId].filter((id) => id !== undefined) : []
    for (const id of wanted) asked.add(id)
    for (const id of [expected ?? '', ...wanted]) letGo.delete(id)
    try {
      const before = node.getConnections()
      const there = before.find(({ remoteAddr }) => expected === undefined && withoutPeerId(remoteAddr) === where)
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(limits.dialTimeoutMs)])
      const connection = there ?? (await node.dial(target, { signal: deadline }))
      await introductions.wait(connection, signal)
      const peer = peerOf(connection.remotePeer.toString())
      if (peer === undefined) throw new Error('the peer closed the link at once')
      letGo.delete(peer.peerId)
      return { ...peer, isThere: leadsTo(connection, target, !before.includes(connection)) }
    } catch (error) {
      signal.throwIfAborted()
      throw dialError(address, error)
    } finally {
      for (const id of wanted) asked.remove(id)
    }
  }

  /** Of what is given, only where a peer was found is told. */
  function dialAndTell(source: 'configured' | 'mdns') {
    return async (address: string, signal: AbortSignal): Promise<void> => {
      const peer = await dial(address, { source, signal })
      if (peer.isThere) emit({ type: 'peer:discovery', peerId: peer.peerId, multiaddrs: [address], source })
    }
  }

  async function prepare(): Promise<Running> {
    const node = await createNode(
      { ...init, seed: identity.seed, protectedPeers: bootstrap.length },
      {
        policy,
        reached,
        bodies,
        askerOf: askerOfConnection,
        gater: { ...gater, ...relay.gater },
        relay,
        datastore,
        dhtDatastore,
        namespaces,
        signsOfLife,
        dialledAt,
        onOwnKey: (remote) => conflicts.note({ peerId, multiaddrs: remote === undefined ? [] : [remote], toldBy: null }),
        onTold(addresses, other) {
          const [connection] = running?.node.getConnections(peerIdFromString(other)) ?? []
          if (connection !== undefined) policy.told(addresses, tellerOf(connection))
        },
      },
    )
    const { pubsub } = node.services
    const internals = gossipInternals(pubsub)
    const frames = boundGossip(internals, { askerOf: askerOfConnection, reading, reached })
    splitControl(internals)
    verifyGossip(internals, { gate: inboundGate, linkOf: frames.linkOf })
    const lanes = createGossipLanes(
      { limits },
      {
        internals,
        traits: (other) => gossipTraits(links.agentOf(other)),
        isLinked: (other) => node.getConnections(peerIdFromString(other)).length > 0,
        async openPing(other) {
          const [connection] = node.getConnections(peerIdFromString(other))
          if (connection === undefined) throw new Error('there is no link')
          return await openPing(connection, AbortSignal.timeout(limits.pingTimeoutMs))
        },
        emit,
        reached,
      },
    )
    const gossip = createGossipLinks({
      pubsub,
      internals,
      connections: () => node.getConnections(),
      spoken: (other) => peerOf(other)?.protocols ?? [],
      onReachable: (other, subscribed) => {
        lanes.opened(other)
        for (const topic of subscribed) emit({ type: 'topic:subscribe', peerId: other, topic })
      },
      onBroken: lanes.broken,
      onRefused: lanes.refused,
    })
    return { node, gossip, lanes, raw: createRawPublish({ internals, lanes }), scored: internals.score.params.topics }
  }

  function join({ node, scored }: Running, topic: string): void {
    scored[topic] = topicScoreParams
    node.services.pubsub.subscribe(topic)
  }

  async function startNode(): Promise<void> {
    if (running !== undefined) return
    backOff.clear()
    await datastore.open()
    const started = await prepare()
    await protocols.register(started.node)
    listenTo(started)
    running = started
    try {
      await started.node.start()
    } catch (error) {
      running = undefined
      await datastore.close()
      throw error
    }
    for (const topic of topics) join(started, topic)
    kept.start()
    silentConnections.start()
    identifyAgain.start()
    if (init.mdns) localNetwork.start()
  }

  async function stopNode(): Promise<void> {
    identifyAgain.stop()
    await Promise.all([kept.stop(), silentConnections.stop(), discovered.stop(), localNetwork.stop()])
    if (running === undefined) return
    const { node, lanes } = running
    const connected = links.peers(node)
    running = undefined
    await node.stop()
    for (const { peerId: other } of connected) {
      lanes.gone(other)
      links.gone(other)
      emit({ type: 'peer:disconnect', peerId: other })
    }
    await datastore.close()
  }

  const engine: P2PEngine = {
    kind: 'libp2p',
    routing,
    peerId,
    start: () => inTurn(startNode),
    stop: () => inTurn(stopNode),
    [Symbol.asyncDispose]: () => engine.stop(),
    async reachability() {
      const relays = (running?.node.getMultiaddrs() ?? []).flatMap((address) => {
        const relay = relayOf(address)
        return relay === undefined ? [] : (peerIdOf(relay) ?? [])
      })
      const hidden = !init.listen.some((address) => address !== throughRelays)
      return { state: hidden ? 'hidden' : 'unknown', observed: [], relays: [...new Set(relays)] }
    },
    multiaddrs: async () => ownAddresses(),
    dial,
    async hangUp(other) {
      if (running === undefined || peerOf(other) === undefined) return
      letGo.add(other)
      await running.node.hangUp(peerIdFromString(other), { signal: AbortSignal.timeout(hangUpTimeoutMs) })
    },
    async ping(other, { signal }) {
      signal.throwIfAborted()
      const [connection] = running?.node.getConnections(peerIdFromString(other)) ?? []
      if (connection === undefined) throw new PeerNotConnected('There is no link to this peer; dial it first.')
      try {
        const latencyMs = await pingOver(connection, AbortSignal.any([signal, AbortSignal.timeout(limits.pingTimeoutMs)]))
        connection.rtt = latencyMs
        return latencyMs
      } catch (cause) {
        signal.throwIfAborted()
        throw new PeerUnreachable('The peer did not answer the ping.', { cause })
      }
    },
    peers: async () => (running === undefined ? [] : links.peers(running.node)),
    conflicts: async () => conflicts.all,
    async block(other) {
      blocked.add(other)
      await engine.hangUp(other)
    },
    async unblock(other) {
      if (!blocked.delete(other)) return
      letGo.delete(other)
      kept.lost(other)
    },
    async subscribe(topic) {
      if (topics.has(topic)) return
      topics.add(topic)
      if (running?.node.status === 'started') join(running, topic)
    },
    async unsubscribe(topic) {
      if (topics.delete(topic) && running?.node.status === 'started') running.node.services.pubsub.unsubscribe(topic)
    },
    topics: async () => [...topics],
    async subscribers(topic) {
      if (running === undefined) return []
      const { node, gossip } = running
      const ids = node.services.pubsub.getSubscribers(topic).map((id) => id.toString())
      return ids.filter((id) => gossip.reaches(id) && peerOf(id) !== undefined)
    },
    sign: async (messages) => messages.map(({ topic, data }) => signer.sign(identity.nextSequence(), topic, data)),
    signDirect: ({ to, data }) => sealDirect({ to, data, sequence: sequenceBytes(identity.nextSequence()) }, identity.seed),
    send: async (messages) => running?.raw.send(messages) ?? messages.map(() => 0),
    stragglers: {
      hasRoom: (other) => running?.lanes.hasRoom(other) ?? false,
      send: async (other, messages) => running?.raw.feed(other, messages) ?? 0,
      settle: (other) => running?.lanes.settle(other) ?? true,
      unsent: () => running?.lanes.unsent() ?? [],
    },
    request: (other, protocol, body, options) => protocols.request(running?.node, other, protocol, body, options),
    async handle(protocol, handler, options) {
      protocols.handle(protocol, handler, options)
    },
    async unhandle(protocol) {
      protocols.unhandle(protocol)
    },
    get dropped() {
      return inboundGate.dropped
    },
    limitsReached: reached.counts,
    receive(handler) {
      inbound = handler
    },
    listen(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  return engine
}

/** How the agents of implementations begin that handle every message of an RPC, however many there are. */
const batchTakers = ['peergate/', 'rust-libp2p/', 'js-libp2p/']

/** What is known of a peer by its agent. A peer that has not told its agent yet is treated as go-libp2p is: no batches, no catching up. */
function gossipTraits(agent: string | null): GossipTraits {
  return {
    takesBatches: batchTakers.some((name) => agent?.startsWith(name)),
    writesEach: agent?.startsWith('kubo/') === true,
    catchesUp: agent?.startsWith('peergate/') === true,
  }
}

/** Whether it was made by a dial of the address. Of a name, which the socket itself forgets, that is known of a new one only. */
function leadsTo({ direction, remoteAddr }: Connection, address: Multiaddr, isNew: boolean): boolean {
  if (direction !== 'outbound') return false
  const isName = address.getComponents()[0]?.name.startsWith('dns') === true
  return withoutPeerId(remoteAddr) === withoutPeerId(address) || (isNew && isName)
}

function tableSize(dht: KadDHT): number {
  if (!isSingle(dht)) throw new Error('kad-dht shows no routing table any more')
  return dht.routingTable.size
}

function isSingle(dht: KadDHT): dht is SingleKadDHT {
  return 'routingTable' in dht
}

/** Milliseconds for a link to close in peace; then it is cut. */
const hangUpTimeoutMs = 500

/** Configured addresses by the peer that they name. */
function keptPeers(bootstrap: string[]): KeptPeer[] {
  const peers = new Map<string, string[]>()
  for (const address of bootstrap) {
    const peerId = peerIdOf(multiaddr(address))
    if (peerId !== undefined) peers.set(peerId, [...(peers.get(peerId) ?? []), address])
  }
  return [...peers].map(([peerId, multiaddrs]) => ({ peerId, multiaddrs }))
}
