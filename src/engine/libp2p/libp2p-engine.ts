import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Logger } from 'pino'
import type { Identity } from '../../identity/identity.ts'
import { createSerial } from '../../lib/serial.ts'
import { createWatchers } from '../../lib/watchers.ts'
import type { Limits } from '../../limits.ts'
import { sealDirect } from '../../model/direct-message.ts'
import { createMessageSigner, sequenceBytes } from '../../model/signed-message.ts'
import type { RecordStore } from '../../store/record-store.ts'
import { type Asker, askerOf } from '../asker.ts'
import { createBodies } from '../bodies.ts'
import { createDialPolicy } from '../dial/policy.ts'
import type { ConnectedPeer, EngineEvent, Inbound, Network, P2PEngine } from '../engine.ts'
import { createIdentityConflicts } from '../identity-conflicts.ts'
import { createInboundBudget } from '../inbound-budget.ts'
import { createInboundGate } from '../inbound-gate.ts'
import { createLimitsReached } from '../limits-reached.ts'
import { createReachCounter } from '../reach/reach-counts.ts'
import { createReading } from '../reading.ts'
import type { DhtMode, EngineSettings } from '../settings.ts'
import { capabilitiesOf } from './capabilities.ts'
import { createEngineDht } from './dht/engine-dht.ts'
import { createDialledAt } from './dialled-at.ts'
import { createNodeGossip, type NodeGossip } from './gossip/node-gossip.ts'
import { createIdentifyAgain } from './identify-again.ts'
import { createIntroductions } from './introductions.ts'
import { createLinks } from './links.ts'
import { createNode, type Node } from './node.ts'
import { listenToNode } from './node-events.ts'
import { pingPeer } from './ping.ts'
import { createProtocols } from './protocols.ts'
import { createPunching } from './punching/punching.ts'
import { createReachable } from './reach/reachable.ts'
import { createSignsOfLife } from './signs-of-life.ts'
import { createSilentConnections } from './silent-connections.ts'
import { tellerOf } from './teller-of.ts'
import { createWantedLinks } from './wanted-links.ts'

type Settings = 'listen' | 'announce' | 'bootstrap' | 'mdns' | 'relay' | 'portMapping' | 'webRtc' | 'privateNetworkKey' | 'dialPrivate'

export interface Libp2pEngineInit extends Pick<EngineSettings, Settings> {
  /** Default: libp2p's own service name. */
  mdnsServiceName?: string
  /** The DHT to join; undefined for none. */
  dht?: DhtMode | undefined
  dialOwnHost?: boolean
  agent: string
  limits: Limits
}

export interface Libp2pEngineComponents {
  identity: Identity
  records: RecordStore
  logger: Logger
}

/** State between a start and a stop. */
interface Running {
  node: Node
  gossip: NodeGossip
}

/**
 * The P2PEngine contract on libp2p. Each start makes a new node; subscriptions and blocks outlive it here. This file
 * only wires parts together: gossip, dials, the DHT and requests between peers are in `gossip/`, `wanted-links.ts`,
 * `dht/` and `protocols.ts`.
 */
export function createLibp2pEngine(init: Libp2pEngineInit, components: Libp2pEngineComponents): P2PEngine & Network {
  const { limits } = init
  const { identity, records, logger } = components
  const { peerId } = identity
  const signer = createMessageSigner(peerId, identity.seed)
  const policy = createDialPolicy(init)
  const reached = createLimitsReached()
  const counter = createReachCounter()
  const { datastore, dhtDatastore, namespaces, routing } = createEngineDht(
    { mode: init.dht, limits },
    {
      identity,
      records,
      dht: () => running?.node.services.dht,
      isLinked: (other) => (running?.node.getConnections(peerIdFromString(other)).length ?? 0) > 0,
      peerOf,
      reached,
      logger,
    },
  )
  const links = createLinks({ policy, exchangeOf: (other) => running?.gossip.exchangeOf(other) })
  const introductions = createIntroductions()
  const signsOfLife = createSignsOfLife()
  const dialledAt = createDialledAt()
  const conflicts = createIdentityConflicts({ peerId }, { logger })
  const topics = new Set<string>()
  const events = createWatchers<[event: EngineEvent]>()
  let inbound: Inbound | undefined
  let running: Running | undefined
  const inTurn = createSerial()
  const budget = createInboundBudget({ limits })
  const reading = createReading({ limits }, { budget, inbound: () => inbound })
  const inboundGate = createInboundGate({ limits, peerId }, { budget, inbound: () => inbound, topics, logger })
  const wanted = createWantedLinks(
    { ...init, peerId, multiaddrs: ownAddresses },
    { node: () => running?.node, policy, introductions, peerOf, emit, reached, logger },
  )
  const { backOff, ownDials } = wanted
  const isProtected = ownDials.isConfigured
  const askerOfConnection = (connection: Connection): Asker => {
    const other = connection.remotePeer.toString()
    return askerOf(other, tellerOf(connection), { isConfigured: isProtected(other) })
  }
  const bodies = createBodies({ limits }, { onGivenUp: () => reached.note('body_given_up'), onRefused: () => reached.note('body_refused') })
  const protocols = createProtocols({ limits }, { bodies, reached, askerOf: askerOfConnection, logger })
  const nodeNow = () => running?.node
  const reachable = createReachable(
    { ...init, peerId, secret: identity.seed },
    { node: nodeNow, links, policy, protocols, wanted, routing, dialledAt, reached, counter, logger },
  )
  const { relay, needsHoles } = reachable
  const identifyAgain = createIdentifyAgain({
    connections: () => running?.node.getConnections() ?? [],
    isIdentified: introductions.has,
    identify: async (connection, signal) => await running?.node.services.identify.identify(connection, { signal }),
    logger,
  })
  const silentConnections = createSilentConnections(
    { limits },
    {
      node: () => running?.node,
      signsOfLife,
      dialledAt,
      policy,
      isSettled: wanted.isSettled,
      isWanted: wanted.isWanted,
      dial: (text, signal) => wanted.dial(text, { source: 'learnt', signal }),
      logger,
    },
  )
  const punching = createPunching(init, { node: nodeNow, needsHoles, gossipLinks: () => running?.gossip.links, logger })

  function ownAddresses(): string[] {
    return running?.node.getMultiaddrs().map((address) => address.toString()) ?? []
  }

  function emit(event: EngineEvent): void {
    events.tell(event)
  }

  function peerOf(other: string): ConnectedPeer | undefined {
    return running === undefined ? undefined : links.peer(running.node, other)
  }

  async function prepare(): Promise<Running> {
    const node = await createNode(
      { ...init, relay: init.relay !== false, seed: identity.seed, protectedPeers: ownDials.configured },
      {
        policy,
        reached,
        bodies,
        askerOf: askerOfConnection,
        gater: reachable.gater,
        relay,
        addresses: reachable.addresses,
        webRtc: reachable.webRtc,
        needsHoles,
        datastore,
        dhtDatastore,
        namespaces,
        signsOfLife,
        dialledAt,
        punching,
        onPunch: counter.punched,
        onOwnKey: (remote) => conflicts.note({ peerId, multiaddrs: remote === undefined ? [] : [remote], toldBy: null }),
        onTold(addresses, other) {
          const [connection] = running?.node.getConnections(peerIdFromString(other)) ?? []
          if (connection !== undefined) policy.told(addresses, tellerOf(connection))
        },
      },
    )
    const gossip = createNodeGossip(
      { limits },
      {
        node,
        agentOf: links.agentOf,
        spoken: (other) => peerOf(other)?.protocols ?? [],
        gate: inboundGate,
        reading,
        askerOf: askerOfConnection,
        emit,
        reached,
      },
    )
    return { node, gossip }
  }

  async function startNode(): Promise<void> {
    if (running !== undefined) return
    backOff.clear()
    await datastore.open()
    const started = await prepare()
    await protocols.register(started.node)
    await reachable.register(started.node)
    const parts = { links, relay, backOff, introductions, policy, silentConnections, reach: reachable, punching, ownDials }
    listenToNode(started, { peerOf, emit, ...parts })
    running = started
    try {
      await started.node.start()
    } catch (error) {
      running = undefined
      await datastore.close()
      throw error
    }
    for (const topic of topics) started.gossip.subscribe(topic)
    ownDials.start()
    silentConnections.start()
    identifyAgain.start()
    reachable.start()
  }

  async function stopNode(): Promise<void> {
    identifyAgain.stop()
    await Promise.all([ownDials.stop(), silentConnections.stop(), reachable.stop()])
    if (running === undefined) return
    const { node, gossip } = running
    const connected = links.peers(node)
    running = undefined
    gossip.announced.stop()
    await node.stop()
    for (const { peerId: other } of connected) {
      gossip.gone(other)
      links.gone(other)
      emit({ type: 'peer:disconnect', peerId: other })
    }
    await datastore.close()
  }

  const engine: P2PEngine & Network = {
    kind: 'libp2p',
    get networks() {
      return [engine]
    },
    routing,
    peerId,
    capabilities: capabilitiesOf(init, { namespaces, relay }),
    start: () => inTurn(startNode),
    stop: () => inTurn(stopNode),
    [Symbol.asyncDispose]: () => engine.stop(),
    reachability: async () => reachable.view(),
    multiaddrs: async () => ownAddresses(),
    dial: wanted.dial,
    hangUp: wanted.hangUp,
    block: wanted.block,
    unblock: wanted.unblock,
    ping: (other, { signal }) => pingPeer(running?.node, other, { signal, timeoutMs: limits.pingTimeoutMs }),
    peers: async () => (running === undefined ? [] : links.peers(running.node)),
    conflicts: async () => conflicts.all,
    async subscribe(topic) {
      if (topics.has(topic)) return
      topics.add(topic)
      if (running?.node.status === 'started') running.gossip.subscribe(topic)
    },
    async unsubscribe(topic) {
      if (topics.delete(topic) && running?.node.status === 'started') running.gossip.unsubscribe(topic)
    },
    topics: async () => [...topics],
    async subscribers(topic) {
      if (running === undefined) return []
      const { node, gossip } = running
      const ids = node.services.pubsub.getSubscribers(topic).map((id) => id.toString())
      return ids.filter((id) => gossip.links.reaches(id) && peerOf(id) !== undefined)
    },
    sign: async (messages) => messages.map(({ topic, data }) => signer.sign(identity.nextSequence(), topic, data)),
    signDirect: ({ to, data }) => sealDirect({ to, data, sequence: sequenceBytes(identity.nextSequence()) }, identity.seed),
    send: async (messages) => running?.gossip.raw.send(messages) ?? messages.map(() => 0),
    stragglers: {
      hold: (other) => running?.gossip.lanes.hold(other),
      hasRoom: (other) => running?.gossip.lanes.hasRoom(other) ?? false,
      send: async (other, messages) => running?.gossip.raw.feed(other, messages) ?? 0,
      settle: (other) => running?.gossip.lanes.settle(other) ?? true,
      isTooLarge: (message) => running?.gossip.raw.isTooLarge(message) ?? false,
      unsent: () => running?.gossip.lanes.unsent() ?? [],
    },
    request: (other, protocol, body, options) => protocols.request(running?.node, other, protocol, body, options),
    handle: async (protocol, handler, options) => protocols.handle(protocol, handler, options),
    unhandle: async (protocol) => protocols.unhandle(protocol),
    get dropped() {
      return inboundGate.dropped
    },
    limitsReached: reached.counts,
    reachCounts: counter.counts,
    receive(handler) {
      inbound = handler
    },
    listen: events.watch,
  }
  return engine
}
