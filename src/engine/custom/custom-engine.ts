import type { Logger } from 'pino'
import { PeerNotConnected, PeerUnreachable } from '../../errors.ts'
import type { Identity } from '../../identity/identity.ts'
import { createDeadline } from '../../lib/deadline.ts'
import { createSerial } from '../../lib/serial.ts'
import { createWatchers } from '../../lib/watchers.ts'
import { sealDirect } from '../../model/direct-message.ts'
import { createMessageSigner, sequenceBytes } from '../../model/signed-message.ts'
import type { RecordStore } from '../../store/record-store.ts'
import type { ConnectedPeer, EngineEvent, Inbound, Network, P2PEngine } from '../engine.ts'
import { createInboundBudget } from '../inbound-budget.ts'
import { createInboundGate } from '../inbound-gate.ts'
import { createLimitsReached } from '../limits-reached.ts'
import { createNoRouting } from '../no-routing.ts'
import { createTrafficCounter } from '../peer-traffic.ts'
import { createReachCounter } from '../reach/reach-counts.ts'
import { createReading } from '../reading.ts'
import { createDht } from './dht/dht.ts'
import { createGossip } from './gossip.ts'
import { priceOf, priceOfTold } from './link/frame-prices.ts'
import { frameTypes } from './link/frame-types.ts'
import type { Link } from './link/link.ts'
import { recordOf } from './link/peer-record.ts'
import { createOverlay } from './overlay/create-overlay.ts'
import { defaultOverlayLimits, overlayLimitsFor } from './overlay/limits.ts'
import type { Overlay } from './overlay/overlay.ts'
import { createOverlayFrames } from './overlay-frames.ts'
import { createPeering, type PeeringInit } from './peering.ts'

export interface CustomEngineInit extends PeeringInit {
  /** Whether to take part in the DHT. */
  dht: boolean
}

export interface CustomEngineComponents {
  identity: Identity
  records: RecordStore
  logger: Logger
  /** Age time (src/clock), which measures the age of kept DHT records. */
  age?: () => number
}

/** The state between a start and a stop. */
interface Running {
  overlay: Overlay
  ticks?: NodeJS.Timeout
}

/**
 * The P2PEngine contract on our own protocol (docs/custom-protocol.md). It joins links (peering.ts), gossip, the
 * overlay and the DHT, and owns none of their rules. Subscriptions, blocks and handlers outlive a stop.
 */
export function createCustomEngine(init: CustomEngineInit, components: CustomEngineComponents): P2PEngine & Network {
  const { limits } = init
  const { identity, records, logger, age = Date.now } = components
  const { peerId } = identity
  const signer = createMessageSigner(peerId, identity.seed)
  const reached = createLimitsReached()
  const counter = createReachCounter()
  const topics = new Set<string>()
  const events = createWatchers<[event: EngineEvent]>()
  const inTurn = createSerial()
  let inbound: Inbound | undefined
  let running: Running | undefined
  const budget = createInboundBudget({ limits })
  const reading = createReading({ limits }, { budget, inbound: () => inbound })
  const gate = createInboundGate({ limits, peerId }, { budget, inbound: () => inbound, topics, logger })
  const gossip = createGossip({ gate, settle: (id, outcome) => running?.overlay.settle(id, outcome), logger })
  const peering = createPeering(init, {
    identity,
    reading,
    reached,
    counter,
    onLink,
    onUpdate,
    onPinned: (link) => running?.overlay.updated(recordOf(link), { pinned: true }),
    onClose,
    onFrame,
    onFound: (peer) => running?.overlay.discovered([peer]),
    onSuggested: (peers) => running?.overlay.suggested(peers),
    onDialled: ({ peerId: other, multiaddrs }, source) =>
      emit({ type: 'peer:discovery', peerId: other, multiaddrs: [...multiaddrs], source }),
    logger,
  })
  const { links, handlers, connections, conflicts, reach } = peering
  const traffic = createTrafficCounter({ isLinked: (other) => links.get(other) !== undefined })
  const frames = createOverlayFrames({ links, gossip, traffic })
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
            for (const { multiaddrs } of contacts) peering.told(multiaddrs, link)
          },
          ownAddresses: peering.addresses,
          isDialable: () => reach.state !== 'hidden',
          topics,
          linkedSubscribers: (topic) => running?.overlay.subscribers(topic).length ?? 0,
          onSubscribers: (topic, peers) => running?.overlay.subscribersFound(topic, peers),
          onChange: links.update,
          logger,
          age,
        },
      )
    : undefined

  function emit(event: EngineEvent): void {
    events.tell(event)
  }

  function viewOf(link: Link): ConnectedPeer {
    const penalty = running?.overlay.penalty(link.peerId) ?? 0
    return { ...peering.viewOf(link), traffic: traffic.of(link.peerId), score: 0 - penalty }
  }

  function onLink(link: Link, { pinned, replaced }: { pinned: boolean; replaced: Link | undefined }): void {
    if (replaced !== undefined) running?.overlay.disconnected(link.peerId)
    running?.overlay.connected(recordOf(link), { direction: link.direction, pinned })
    if (replaced === undefined) emit({ type: 'peer:connect', peer: viewOf(link) })
    emit({ type: 'peer:update', peer: viewOf(link) })
    dht?.linked(link)
  }

  function onUpdate(link: Link): void {
    running?.overlay.updated(recordOf(link), { pinned: false })
    dht?.linked(link)
    emit({ type: 'peer:update', peer: viewOf(link) })
  }

  function onClose({ peerId: other }: Link): void {
    running?.overlay.disconnected(other)
    traffic.gone(other)
    emit({ type: 'peer:disconnect', peerId: other })
  }

  function onFrame(link: Link, type: number, body: Buffer): void {
    running?.overlay.receive(link.peerId, frames.read(link, type, body))
  }

  function linkTo(other: string): Link {
    const link = links.get(other)
    if (link === undefined) throw new PeerNotConnected('There is no link to this peer; dial it first.')
    return link
  }

  function createNodeOverlay(): Overlay {
    const overlay = createOverlay(
      {
        peerId,
        multiaddrs: peering.addresses,
        limits: overlayLimitsFor(limits),
      },
      {
        now: () => performance.now(),
        random: Math.random,
        send: frames.send,
        dial: async (record) => {
          const stopping = peering.stopping()
          if (stopping === undefined) return
          const linked = await connections.dialLearnt(record, stopping)
          if (!linked && !stopping.aborted) overlay.dialFailed(record.peerId)
        },
        hangUp: (other, why) => links.get(other)?.close(why === 'full' ? connections.refusals.full(other) : undefined),
        told({ multiaddrs }, by) {
          const link = links.get(by)
          if (link !== undefined) peering.told(multiaddrs, link)
        },
        onMessage: (envelope, from) => {
          const isTaken = gossip.judge(envelope)
          if (isTaken) links.get(from)?.charge(-priceOf(frameTypes.message))
          return isTaken
        },
        onAnnounced: (other, ids) => emit({ type: 'message:announced', peerId: other, ids }),
        onMissed: (other, ids) => emit({ type: 'message:missed', peerId: other, ids }),
        onSubscription: (other, topic, subscribed) =>
          emit({ type: subscribed ? 'topic:subscribe' : 'topic:unsubscribe', peerId: other, topic }),
        onTopicRefused: () => reached.note('peer_topic'),
        onTold: (other, messages) => links.get(other)?.charge(priceOfTold(messages)),
      },
    )
    return overlay
  }

  async function startNode(): Promise<void> {
    if (running !== undefined) return
    const overlay = createNodeOverlay()
    const starting: Running = { overlay }
    running = starting
    try {
      await peering.listen()
    } catch (error) {
      running = undefined
      throw error
    }
    for (const topic of topics) overlay.subscribe(topic)
    starting.ticks = setInterval(() => overlay.tick(), defaultOverlayLimits.tickMs)
    await dht?.start()
    peering.seek()
  }

  async function stopNode(): Promise<void> {
    await Promise.all([peering.stopSeeking(), dht?.stop()])
    if (running === undefined) return
    clearInterval(running.ticks)
    await peering.close()
    running = undefined
  }

  const engine: P2PEngine & Network = {
    kind: 'custom',
    get networks() {
      return [engine]
    },
    routing: dht?.routing ?? createNoRouting(),
    peerId,
    capabilities: {
      transports: ['ws', 'wss', 'p2p-circuit', ...(init.webRtc === undefined ? [] : ['webrtc'])],
      dhtNamespaces: dht === undefined ? [] : ['/peergate'],
      mdns: init.mdns,
      relay: init.relay,
      privateNetwork: false,
    },
    start: () => inTurn(startNode),
    stop: () => inTurn(stopNode),
    [Symbol.asyncDispose]: () => engine.stop(),
    reachability: async () => ({ state: reach.state, confirmed: reach.confirmed, observed: reach.observed, relays: reach.relays }),
    multiaddrs: async () => peering.addresses(),
    async dial(text, options) {
      const { link, isThere } = await connections.dial(text, options)
      return { ...viewOf(link), isThere }
    },
    hangUp: (other) => connections.hangUp(other),
    async ping(other, { signal }) {
      signal.throwIfAborted()
      const link = linkTo(other)
      using deadline = createDeadline(limits.pingTimeoutMs, [signal])
      try {
        return await link.ping(deadline.signal)
      } catch (cause) {
        signal.throwIfAborted()
        throw new PeerUnreachable('The peer did not answer the ping.', { cause })
      }
    },
    peers: async () => Array.from(links.all, viewOf),
    conflicts: async () => conflicts.all,
    block: (other) => connections.block(other),
    unblock: async (other) => peering.unblock(other),
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
      return await linkTo(other).request(protocol, body, options)
    },
    async handle(protocol, handler, options) {
      handlers.set(protocol, handler, options)
      links.update()
    },
    async unhandle(protocol) {
      handlers.delete(protocol)
      links.update()
    },
    get dropped() {
      return gate.dropped
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
