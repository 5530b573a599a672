import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { PeerNotConnected, PeerUnreachable } from '../../errors.ts'
import type { Identity } from '../../identity/identity.ts'
import { createSerial } from '../../lib/serial.ts'
import type { Limits } from '../../limits.ts'
import { sealDirect } from '../../model/direct-message.ts'
import { parseAddress } from '../../model/peer.ts'
import { createMessageSigner, sequenceBytes } from '../../model/signed-message.ts'
import type { RecordStore } from '../../store/record-store.ts'
import { createBackOff } from '../dial/back-off.ts'
import { throughRelays } from '../dial/circuit-address.ts'
import { createDialDiscovered } from '../dial/discovered.ts'
import { withoutPeerId } from '../dial/endpoint.ts'
import { createDialGate } from '../dial/gate.ts'
import { createKeepConnected } from '../dial/keep-connected.ts'
import { createDialPolicy } from '../dial/policy.ts'
import type { ConnectedPeer, EngineEvent, Inbound, P2PEngine } from '../engine.ts'
import { createIdentityConflicts } from '../identity-conflicts.ts'
import { createInboundGate } from '../inbound-gate.ts'
import { createLimitsReached } from '../limits-reached.ts'
import { createLocalDiscovery } from '../mdns/discovery.ts'
import { createNoRouting } from '../no-routing.ts'
import { createReading } from '../reading.ts'
import { createSilentLinks, type WatchedLink } from '../silent-links.ts'
import { createBootstrap } from './bootstrap.ts'
import { readCertificate } from './certificate.ts'
import { createConnections } from './connections.ts'
import { createDht } from './dht/dht.ts'
import { createGossip } from './gossip.ts'
import { priceOf, priceOfControl } from './link/frame-prices.ts'
import { frameTypes } from './link/frame-types.ts'
import { createHandlers } from './link/handlers.ts'
import { type Hello, protocolVersions } from './link/hello.ts'
import type { Link } from './link/link.ts'
import { createLinkHandshake } from './link/link-handshake.ts'
import { createLinks } from './link/links.ts'
import { createListener, type Incoming } from './link/listener.ts'
import { tellerOf } from './link/teller-of.ts'
import { createOverlay } from './overlay/create-overlay.ts'
import type { OverlayFrame } from './overlay/frames.ts'
import { defaultOverlayLimits } from './overlay/limits.ts'
import type { Overlay, PeerRecord } from './overlay/overlay.ts'
import { createReach } from './reach/reach.ts'
import { decodeControl, encodeControl, messageHead, parseMessageHead } from './wire/overlay-frame.ts'

export interface CustomEngineInit {
  listen: string[]
  announce: string[]
  bootstrap: string[]
  /** For listening with TLS. */
  tls?: { certFile: string | undefined; keyFile: string | undefined }
  mdns: boolean
  /** Whether to be a relay for others. */
  relay: boolean
  /** Whether to take part in the DHT. */
  dht: boolean
  /** By default the one that all nodes of this protocol have. */
  mdnsServiceName?: string
  dialPrivate: boolean
  dialOwnHost?: boolean
  agent: string
  limits: Limits
}

export interface CustomEngineComponents {
  identity: Identity
  records: RecordStore
  logger: Logger
  /** Age time (src/clock), by which kept records of the DHT become old. */
  age?: () => number
}

/** What is there between a start and a stop. */
interface Running {
  overlay: Overlay
  listeners: ReturnType<typeof createListener>[]
  instance: string
  /** Fires at the stop. */
  stopping: AbortController
  timers: NodeJS.Timeout[]
}

/** The P2PEngine contract on our own protocol (docs/custom-protocol.md). Subscriptions, blocks and handlers outlive a stop. */
export function createCustomEngine(init: CustomEngineInit, components: CustomEngineComponents): P2PEngine {
  const { limits } = init
  const { identity, records, logger, age = Date.now } = components
  const { peerId } = identity
  const signer = createMessageSigner(peerId, identity.seed)
  const policy = createDialPolicy(init)
  const reached = createLimitsReached()
  const dialGate = createDialGate({ policy, onRefused: () => reached.note('told_dial') })
  const links = createLinks({ peerId })
  const topics = new Set<string>()
  const eventListeners = new Set<(event: EngineEvent) => void>()
  const inTurn = createSerial()
  const bootstrap = createBootstrap(init.bootstrap)
  const handlers = createHandlers({ limits }, { reached, isConfigured: (other) => bootstrap.has(other) })
  const backOff = createBackOff({ logger })
  const conflicts = createIdentityConflicts({ peerId }, { logger })
  const hiddenAddresses = new WeakMap<Hello, ReadonlySet<string>>()
  let inbound: Inbound | undefined
  let running: Running | undefined
  const reading = createReading({ limits }, { inbound: () => inbound })
  const gate = createInboundGate({ limits, peerId }, { inbound: () => inbound, topics, logger })
  const gossip = createGossip({ gate, settle: (id, outcome) => running?.overlay.settle(id, outcome), logger })
  const kept = createKeepConnected({
    peers: bootstrap.peers,
    isSettled: (name) => connections.isSettled(bootstrap.peerIdOf(name)),
    isWanted: (name) => connections.isWanted(bootstrap.peerIdOf(name)),
    dial: dialAndTell('configured'),
    logger,
  })
  const discovered = createDialDiscovered({
    isWanted: (other) => connections.isWanted(other),
    dial: dialAndTell('mdns'),
    logger,
  })
  const localNetwork = createLocalDiscovery(
    { serviceName: init.mdnsServiceName ?? '_peergate._udp.local', peerId, multiaddrs: ownAddresses },
    { onFound, logger },
  )
  const meeting = createLinkHandshake(
    { limits, seed: identity.seed, hello },
    {
      handlers,
      reading,
      reached,
      logger,
      refusal: (other) => connections.refusals.of(other),
      onFrame,
      onUpdate: onLinkUpdated,
      onClose: onLinkClosed,
    },
  )

  const reach = createReach(
    { relay: init.relay, limits },
    {
      links,
      handlers,
      meeting,
      dialGate,
      listened,
      told: (addresses, teller) => policy.told(addresses, teller),
      onCircuit: (socket, relay) => {
        const remote = `${relay.remote}/p2p/${relay.peerId}${throughRelays}`
        void onSocket({ socket, remote, seenAt: undefined, observed: '', signal: AbortSignal.timeout(limits.dialTimeoutMs) })
      },
      onChange: updateLinks,
      reached,
      logger,
    },
  )
  const connections = createConnections(
    { peerId, limits },
    {
      links,
      meeting,
      policy,
      dialGate,
      bootstrap,
      backOff,
      reached,
      conflicts,
      instance: () => running?.instance ?? '',
      reach: () => reach,
      stopping: () => running?.stopping.signal,
      onLink,
      onPinned: (link) => running?.overlay.updated(recordOf(link), { pinned: true }),
      onSuggested(peers, by) {
        for (const { multiaddrs } of peers) policy.told(multiaddrs, by)
        running?.overlay.suggested(peers)
      },
      logger,
    },
  )

  const silentLinks = createSilentLinks(
    { limits },
    {
      links: () => [...links.all].filter(({ direction }) => direction === 'outbound').map(watchedOf),
      isSettled: (other) => connections.isSettled(other),
      isWanted: (other) => connections.isWanted(other),
      policy,
      prove: connections.prove,
      dial: (text, signal) => connections.dial(text, { source: 'learnt', signal }),
      logger,
    },
  )

  const dht = init.dht
    ? createDht(
        { limits },
        {
          identity,
          records,
          links,
          handlers,
          reached,
          linkTo: (contact, signal) => connections.linkTo(contact, signal),
          onTold: (contacts, link) => {
            for (const { multiaddrs } of contacts) policy.told(multiaddrs, tellerOf(link))
          },
          ownAddresses,
          isDialable: () => reach.state !== 'hidden',
          topics: () => new Map(Array.from(topics, (topic) => [topic, running?.overlay.subscribers(topic).length ?? 0])),
          onSubscribers: (topic, peers) => running?.overlay.subscribersFound(topic, peers),
          onChange: updateLinks,
          logger,
          age,
        },
      )
    : undefined

  function emit(event: EngineEvent): void {
    for (const listener of eventListeners) listener(event)
  }

  /** What is shown of a link, and remembered: without addresses that lead to others beside this host who are none of the peer's business. */
  function viewOf(link: Link): ConnectedPeer {
    const { view } = link
    const hidden = hiddenOf(link)
    return hidden.size === 0 ? view : { ...view, multiaddrs: view.multiaddrs.filter((address) => !hidden.has(address)) }
  }

  /** Judged once for each hello, since views are asked for all the time. */
  function hiddenOf(link: Link): ReadonlySet<string> {
    const judged = hiddenAddresses.get(link.hello)
    if (judged !== undefined) return judged
    const teller = tellerOf(link)
    const hidden = new Set(link.hello.multiaddrs.filter((address) => !policy.mayTell(address, teller)))
    hiddenAddresses.set(link.hello, hidden)
    return hidden
  }

  function hello(observed: string): Hello {
    return {
      versions: [...protocolVersions],
      instance: running?.instance ?? '',
      agent: init.agent,
      multiaddrs: ownAddresses(),
      protocols: handlers.protocols,
      observed,
    }
  }

  /** Without peer id. */
  function listened(): string[] {
    const own = running?.listeners.flatMap((listener) => listener.multiaddrs()) ?? []
    return own.length > 0 && init.announce.length > 0 ? init.announce.map((text) => withoutPeerId(parseAddress(text))) : own
  }

  function ownAddresses(): string[] {
    if (running === undefined) return []
    return [...listened(), ...reach.addresses()].map((address) => `${address}/p2p/${peerId}`)
  }

  function onLink(link: Link, { pinned, replaced }: { pinned: boolean; replaced: Link | undefined }): void {
    policy.told(link.hello.multiaddrs, tellerOf(link))
    if (replaced !== undefined) running?.overlay.disconnected(link.peerId)
    running?.overlay.connected(recordOf(link), { direction: link.direction, pinned })
    if (replaced === undefined) emit({ type: 'peer:connect', peer: viewOf(link) })
    emit({ type: 'peer:update', peer: viewOf(link) })
    reach.linked(link)
    dht?.linked(link)
  }

  function onLinkUpdated(link: Link): void {
    if (links.get(link.peerId) !== link) return
    policy.told(link.hello.multiaddrs, tellerOf(link))
    running?.overlay.updated(recordOf(link), { pinned: false })
    reach.updated(link)
    dht?.linked(link)
    emit({ type: 'peer:update', peer: viewOf(link) })
  }

  function onLinkClosed(link: Link): void {
    const counted = connections.closed(link)
    reach.lost(link)
    if (!counted) return
    running?.overlay.disconnected(link.peerId)
    emit({ type: 'peer:disconnect', peerId: link.peerId })
    kept.lost(bootstrap.nameOf(link.peerId))
  }

  function updateLinks(): void {
    for (const link of links.all) link.update()
  }

  /** Somebody has announced itself on the local network. */
  function onFound(other: string, multiaddrs: string[], from: string): void {
    policy.told(multiaddrs, { ip: from, isRelayed: false })
    for (const text of multiaddrs) policy.note(withoutPeerId(parseAddress(text)), 'mdns')
    running?.overlay.discovered([{ peerId: other, multiaddrs }])
    discovered.found(other, multiaddrs)
  }

  function onFrame(link: Link, type: number, body: Buffer): void {
    if (running === undefined || links.get(link.peerId) === undefined) return
    // A message is copied out of the record that it came in, which may be much larger and would live as long.
    if (circuitFrames.has(type)) {
      reach.receive(link, type, body)
      return
    }
    const frame: OverlayFrame =
      type === frameTypes.control
        ? decodeControl(body)
        : { type: 'message', ...parseMessageHead(body), envelope: gossip.open(Buffer.from(body.subarray(1))) }
    link.charge(priceOfControl(frame))
    running.overlay.receive(link.peerId, frame)
  }

  function sendFrame(other: string, frame: OverlayFrame): boolean {
    const link = links.get(other)
    if (link === undefined) return false
    if (frame.type !== 'message') return link.send(frameTypes.control, encodeControl(frame))
    return link.send(frameTypes.message, messageHead(frame), frame.envelope.bytes)
  }

  async function onSocket(incoming: Incoming): Promise<void> {
    try {
      await connections.welcome(await meeting.answer(incoming))
    } catch (err) {
      logger.debug({ err, remote: incoming.remote }, 'a socket did not become a link')
    }
  }

  /** Of what is given, only where a peer was found is told. */
  function dialAndTell(source: 'configured' | 'mdns') {
    return async (text: string, signal: AbortSignal): Promise<void> => {
      const { link, isThere } = await connections.dial(text, { source, signal })
      if (isThere) emit({ type: 'peer:discovery', peerId: link.peerId, multiaddrs: [text], source })
    }
  }

  async function startNode(): Promise<void> {
    if (running !== undefined) return
    backOff.clear()
    const stopping = new AbortController()
    const overlay = createOverlay(
      {
        peerId,
        multiaddrs: ownAddresses,
        limits: { ...defaultOverlayLimits, maxLinks: Math.min(defaultOverlayLimits.maxLinks, limits.maxConnections) },
      },
      {
        now: () => performance.now(),
        random: Math.random,
        send: sendFrame,
        dial: async (record) => {
          const linked = await connections.dialLearnt(record, stopping.signal)
          if (!linked && !stopping.signal.aborted) overlay.dialFailed(record.peerId)
        },
        hangUp: (other, why) => links.get(other)?.close(why === 'full' ? connections.refusals.full(other) : undefined),
        told({ multiaddrs }, by) {
          const link = links.get(by)
          if (link !== undefined) policy.told(multiaddrs, tellerOf(link))
        },
        onMessage: (envelope, from) => {
          const link = links.get(from)
          link?.charge(-priceOf(frameTypes.message))
          gossip.judge(envelope, (bytes) => link?.hold(bytes))
        },
        onSubscription: (other, topic, subscribed) =>
          emit({ type: subscribed ? 'topic:subscribe' : 'topic:unsubscribe', peerId: other, topic }),
      },
    )
    const tls = await readCertificate(init.tls)
    const listeners = init.listen
      .filter((text) => text !== throughRelays)
      .map((text) =>
        createListener(
          {
            address: parseAddress(text),
            tls,
            maxSockets: limits.maxConnections * 2,
            maxSocketsPerAddressAndSecond: limits.maxInboundConnectionsPerAddress,
            handshakeTimeoutMs: limits.dialTimeoutMs,
          },
          { onSocket: (incoming) => void onSocket(incoming) },
        ),
      )
    const starting: Running = { overlay, listeners, instance: randomUUID(), stopping, timers: [] }
    running = starting
    try {
      for (const listener of listeners) await listener.start()
    } catch (error) {
      running = undefined
      await Promise.all(listeners.map((listener) => listener.stop()))
      throw error
    }
    for (const topic of topics) overlay.subscribe(topic)
    starting.timers.push(
      setInterval(() => overlay.tick(), defaultOverlayLimits.tickMs),
      setInterval(() => {
        for (const link of links.all) link.beat(performance.now())
      }, limits.silentLinkMs / 3),
    )
    reach.start()
    await dht?.start()
    kept.start()
    silentLinks.start()
    if (init.mdns) localNetwork.start()
  }

  async function stopNode(): Promise<void> {
    await Promise.all([kept.stop(), silentLinks.stop(), discovered.stop(), localNetwork.stop(), reach.stop(), dht?.stop()])
    if (running === undefined) return
    const { listeners, stopping, timers } = running
    for (const timer of timers) clearInterval(timer)
    stopping.abort(new Error('the node was stopped'))
    const open = [...links.all]
    for (const link of open) link.close()
    await Promise.all(open.map(({ closed }) => closed))
    running = undefined
    await Promise.all(listeners.map((listener) => listener.stop()))
  }

  const engine: P2PEngine = {
    kind: 'custom',
    routing: dht?.routing ?? createNoRouting(),
    peerId,
    start: () => inTurn(startNode),
    stop: () => inTurn(stopNode),
    [Symbol.asyncDispose]: () => engine.stop(),
    reachability: async () => ({ state: reach.state, observed: reach.observed, relays: reach.relays }),
    multiaddrs: async () => ownAddresses(),
    async dial(text, options) {
      const { link, isThere } = await connections.dial(text, options)
      return { ...viewOf(link), isThere }
    },
    hangUp: (other) => connections.hangUp(other),
    async ping(other, { signal }) {
      signal.throwIfAborted()
      const link = links.get(other)
      if (link === undefined) throw new PeerNotConnected('There is no link to this peer; dial it first.')
      try {
        return await link.ping(AbortSignal.any([signal, AbortSignal.timeout(limits.pingTimeoutMs)]))
      } catch (cause) {
        signal.throwIfAborted()
        throw new PeerUnreachable('The peer did not answer the ping.', { cause })
      }
    },
    peers: async () => Array.from(links.all, viewOf),
    conflicts: async () => conflicts.all,
    block: (other) => connections.block(other),
    async unblock(other) {
      if (connections.unblock(other)) kept.lost(bootstrap.nameOf(other))
    },
    async subscribe(topic) {
      if (topics.has(topic)) return
      topics.add(topic)
      running?.overlay.subscribe(topic)
    },
    async unsubscribe(topic) {
      if (topics.delete(topic)) running?.overlay.unsubscribe(topic)
    },
    topics: async () => [...topics],
    subscribers: async (topic) => running?.overlay.subscribers(topic) ?? [],
    sign: async (messages) => messages.map(({ topic, data }) => signer.sign(identity.nextSequence(), topic, data)),
    signDirect: ({ to, data }) => sealDirect({ to, data, sequence: sequenceBytes(identity.nextSequence()) }, identity.seed),
    send: async (messages) => running?.overlay.publish(messages.map(gossip.seal)) ?? messages.map(() => 0),
    async request(other, protocol, body, options) {
      options.signal.throwIfAborted()
      const link = links.get(other)
      if (link === undefined) throw new PeerNotConnected('There is no link to this peer; dial it first.')
      return await link.request(protocol, body, options)
    },
    async handle(protocol, handler, options) {
      handlers.set(protocol, handler, options)
      updateLinks()
    },
    async unhandle(protocol) {
      handlers.delete(protocol)
      updateLinks()
    },
    get dropped() {
      return gate.dropped
    },
    limitsReached: reached.counts,
    receive(handler) {
      inbound = handler
    },
    listen(listener) {
      eventListeners.add(listener)
      return () => eventListeners.delete(listener)
    },
  }
  return engine
}

const circuitFrames = new Set<number>([frameTypes.circuit, frameTypes.circuitData, frameTypes.circuitCredit])

function watchedOf(link: Link): WatchedLink {
  return {
    peerId: link.peerId,
    multiaddr: `${link.remote}/p2p/${link.peerId}`,
    get heardAt() {
      return link.heardAt
    },
    ping: (signal) => link.ping(signal),
    cut: () => link.cut(),
  }
}

function recordOf(link: Link): PeerRecord {
  return { peerId: link.peerId, multiaddrs: link.hello.multiaddrs }
}
