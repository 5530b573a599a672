import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { PeerBlocked, PeerNotConnected, PeerUnreachable } from '../../errors.ts'
import type { Identity } from '../../identity/identity.ts'
import { createInTurn } from '../../in-turn.ts'
import type { Limits } from '../../limits.ts'
import { parseAddress, peerIdOf } from '../../model/peer.ts'
import { createMessageSigner } from '../../model/signed-message.ts'
import { createDialDiscovered } from '../dial-discovered.ts'
import { dialError } from '../dial-errors.ts'
import { createDialGate } from '../dial-gate.ts'
import { createDialPolicy } from '../dial-policy.ts'
import { withoutPeerId } from '../endpoint.ts'
import type { ConnectedPeer, DialOptions, EngineEvent, Inbound, P2PEngine } from '../engine.ts'
import { createInboundGate } from '../inbound-gate.ts'
import { createKeepConnected } from '../keep-connected.ts'
import { addressProblem } from './addresses.ts'
import { createBootstrap } from './bootstrap.ts'
import { readCertificate } from './certificate.ts'
import { createGossip } from './gossip.ts'
import { frameTypes } from './link/frame-types.ts'
import { createHandlers } from './link/handlers.ts'
import { type Hello, protocolVersions } from './link/hello.ts'
import type { Link } from './link/link.ts'
import { createLinks } from './link/links.ts'
import { createListener, type Incoming } from './link/listener.ts'
import { createMeeting } from './link/meeting.ts'
import { createLocalDiscovery } from './local-discovery.ts'
import { createOverlay } from './overlay/create-overlay.ts'
import type { OverlayFrame } from './overlay/frames.ts'
import { defaultOverlayLimits } from './overlay/limits.ts'
import type { Overlay, PeerRecord } from './overlay/overlay.ts'
import { decodeControl, encodeControl, messageHead, parseMessageHead } from './wire/overlay-frame.ts'

export interface CustomEngineInit {
  listen: string[]
  announce: string[]
  bootstrap: string[]
  /** For listening with TLS. */
  tls?: { certFile: string | undefined; keyFile: string | undefined }
  mdns: boolean
  /** By default the one that all nodes of this protocol have. */
  mdnsServiceName?: string
  dialPrivate: boolean
  dialOwnHost?: boolean
  agent: string
  limits: Limits
}

export interface CustomEngineComponents {
  identity: Identity
  log: Logger
}

/** Milliseconds between two heartbeats of the links. */
const heartbeatMs = 10_000

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
  const { identity, log } = components
  const { peerId } = identity
  const signer = createMessageSigner(peerId, identity.seed)
  const policy = createDialPolicy(init)
  const dialGate = createDialGate({ policy })
  const handlers = createHandlers()
  const links = createLinks({ peerId })
  const topics = new Set<string>()
  const blocked = new Set<string>()
  /** Peers that somebody hung up on: not dialled again by ourselves until somebody dials them. */
  const letGo = new Set<string>()
  const eventListeners = new Set<(event: EngineEvent) => void>()
  const inTurn = createInTurn()
  const bootstrap = createBootstrap(init.bootstrap)
  let inbound: Inbound | undefined
  let running: Running | undefined
  const gate = createInboundGate({ limits, peerId }, { inbound: () => inbound, topics, log })
  const gossip = createGossip({ gate, settle: (id, verdict) => running?.overlay.settle(id, verdict), log })
  const kept = createKeepConnected({
    peers: bootstrap.peers,
    isSettled: (name) => isSettled(bootstrap.peerIdOf(name)),
    isWanted: (name) => isWanted(bootstrap.peerIdOf(name)),
    dial: dialKept,
    log,
  })
  const discovered = createDialDiscovered({
    isWanted,
    onNew: (other, multiaddrs) => emit({ type: 'peer:discovery', peerId: other, multiaddrs, source: 'mdns' }),
    dial: (text, signal) => dial(text, { source: 'mdns', signal }),
    log,
  })
  const localNetwork = createLocalDiscovery({ serviceName: init.mdnsServiceName, peerId, multiaddrs: ownAddresses }, { onFound, log })
  const meeting = createMeeting(
    { limits, seed: identity.seed, hello },
    { handlers, log, onFrame, onUpdate: (link) => emit({ type: 'peer:update', peer: link.view }), onClose: onLinkClosed },
  )

  function emit(event: EngineEvent): void {
    for (const listener of eventListeners) listener(event)
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

  function ownAddresses(): string[] {
    const listened = running?.listeners.flatMap((listener) => listener.multiaddrs()) ?? []
    const own = listened.length > 0 && init.announce.length > 0 ? init.announce.map((text) => withoutPeerId(parseAddress(text))) : listened
    return own.map((address) => `${address}/p2p/${peerId}`)
  }

  function isSettled(other: string): boolean {
    return letGo.has(other) || links.get(other) !== undefined
  }

  /** Whether this node itself should dial a peer now. */
  function isWanted(other: string): boolean {
    if (running === undefined || blocked.has(other) || other === peerId || isSettled(other)) return false
    return links.size < limits.maxConnections || bootstrap.has(other)
  }

  /** Takes a link whose peer has said hello, or one that is there already. @throws PeerBlocked, or Error when it is not wanted */
  function adopt(link: Link, pinned: boolean): Link {
    const refusal = refusalOf(link)
    if (refusal !== undefined) {
      link.close()
      throw refusal
    }
    const { kept: counted, replaced } = links.add(link)
    const record = { peerId: link.peerId, multiaddrs: link.hello.multiaddrs }
    if (counted !== link) {
      link.close()
      if (pinned) running?.overlay.connected(record, { direction: counted.direction, pinned })
      return counted
    }
    if (replaced !== undefined) {
      running?.overlay.disconnected(link.peerId)
      replaced.close()
    }
    running?.overlay.connected(record, { direction: link.direction, pinned: pinned || bootstrap.has(link.peerId) })
    if (replaced === undefined) emit({ type: 'peer:connect', peer: link.view })
    emit({ type: 'peer:update', peer: link.view })
    link.begin()
    return link
  }

  function refusalOf(link: Link): Error | undefined {
    const other = link.peerId
    if (running === undefined || running.stopping.signal.aborted) return new Error('the node is not running')
    if (link.isClosed) return new Error('the peer closed the link at once')
    if (blocked.has(other)) return new PeerBlocked('This peer is blocked.')
    if (other === peerId) return new Error('that is this node itself')
    if (links.size < limits.maxConnections || links.get(other) !== undefined || bootstrap.has(other)) return undefined
    return new Error(`this gateway has ${limits.maxConnections} links, as many as PEERGATE_MAX_CONNECTIONS allows`)
  }

  function onLinkClosed(link: Link): void {
    if (!links.remove(link)) return
    running?.overlay.disconnected(link.peerId)
    emit({ type: 'peer:disconnect', peerId: link.peerId })
    kept.lost(bootstrap.nameOf(link.peerId))
  }

  /** Somebody has announced itself on the local network. */
  function onFound(other: string, multiaddrs: string[]): void {
    for (const text of multiaddrs) policy.note(withoutPeerId(parseAddress(text)), 'mdns')
    running?.overlay.discovered([{ peerId: other, multiaddrs }])
    discovered.found(other, multiaddrs)
  }

  function onFrame(link: Link, type: number, body: Buffer): void {
    if (running === undefined || links.get(link.peerId) !== link) return
    // A message is copied out of the record that it came in, which may be much larger and would live as long.
    const frame: OverlayFrame =
      type === frameTypes.control
        ? decodeControl(body)
        : { type: 'message', ...parseMessageHead(body), envelope: gossip.open(Buffer.from(body.subarray(1))) }
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
      adopt(await meeting.answer(incoming), false)
    } catch (err) {
      log.debug({ err, remote: incoming.remote }, 'a socket did not become a link')
    }
  }

  async function dial(text: string, { source, signal }: DialOptions): Promise<ConnectedPeer> {
    signal.throwIfAborted()
    const address = parseAddress(text)
    const expected = peerIdOf(address)
    if (expected !== undefined && blocked.has(expected)) throw new PeerBlocked('This peer is blocked.')
    if (running === undefined) throw dialError(text, new Error('the node is not running'))
    const problem = addressProblem(address)
    if (problem !== undefined) throw dialError(text, new Error(problem))
    const where = withoutPeerId(address)
    policy.note(where, source)
    const isAsked = source === 'rest' || source === 'configured'
    try {
      const there = expected === undefined ? [...links.all].find(({ remote }) => remote === where) : links.get(expected)
      const deadline = AbortSignal.any([signal, running.stopping.signal, AbortSignal.timeout(limits.dialTimeoutMs)])
      const link =
        there ?? (await dialGate.dial(address, deadline, async (target) => adopt(await meeting.call(target, expected, deadline), isAsked)))
      if (isAsked && there !== undefined) {
        running.overlay.connected({ peerId: link.peerId, multiaddrs: link.hello.multiaddrs }, { direction: link.direction, pinned: true })
      }
      bootstrap.answered(where, link.peerId)
      letGo.delete(link.peerId)
      return link.view
    } catch (error) {
      signal.throwIfAborted()
      throw error instanceof PeerBlocked ? error : dialError(text, error)
    }
  }

  async function dialKept(text: string, signal: AbortSignal): Promise<void> {
    const peer = await dial(text, { source: 'configured', signal })
    emit({ type: 'peer:discovery', peerId: peer.peerId, multiaddrs: [text], source: 'configured' })
  }

  /** A dial that the overlay wants, at addresses that other peers have told. */
  async function dialLearnt({ peerId: other, multiaddrs }: PeerRecord, overlay: Overlay, signal: AbortSignal): Promise<void> {
    for (const text of multiaddrs) {
      if (signal.aborted || !isWanted(other)) break
      try {
        const address = parseAddress(text)
        if (addressProblem(address) !== undefined || peerIdOf(address) !== other) continue
        await dial(text, { source: 'learnt', signal })
        return
      } catch (err) {
        log.debug({ err, multiaddr: text }, 'a peer that was learnt of could not be dialled')
      }
    }
    if (!signal.aborted && links.get(other) === undefined) overlay.dialFailed(other)
  }

  async function startNode(): Promise<void> {
    if (running !== undefined) return
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
        dial: (record) => void dialLearnt(record, overlay, stopping.signal),
        hangUp: (other) => links.get(other)?.close(),
        onMessage: (envelope, from) => gossip.judge(envelope, (bytes) => links.get(from)?.hold(bytes)),
        onSubscription: (other, topic, subscribed) =>
          emit({ type: subscribed ? 'topic:subscribe' : 'topic:unsubscribe', peerId: other, topic }),
      },
    )
    const tls = await readCertificate(init.tls)
    const listeners = init.listen.map((text) =>
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
      }, heartbeatMs),
    )
    kept.start()
    if (init.mdns) localNetwork.start()
  }

  async function stopNode(): Promise<void> {
    await Promise.all([kept.stop(), discovered.stop(), localNetwork.stop()])
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
    peerId,
    start: () => inTurn(startNode),
    stop: () => inTurn(stopNode),
    [Symbol.asyncDispose]: () => engine.stop(),
    multiaddrs: async () => ownAddresses(),
    dial,
    async hangUp(other) {
      const link = links.get(other)
      if (link === undefined) return
      letGo.add(other)
      link.close()
      await link.closed
    },
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
    peers: async () => Array.from(links.all, ({ view }) => view),
    async block(other) {
      blocked.add(other)
      await engine.hangUp(other)
    },
    async unblock(other) {
      if (!blocked.delete(other)) return
      letGo.delete(other)
      kept.lost(bootstrap.nameOf(other))
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
    send: async (messages) => running?.overlay.publish(messages.map(gossip.seal)) ?? messages.map(() => 0),
    async request(other, protocol, body, options) {
      options.signal.throwIfAborted()
      const link = links.get(other)
      if (link === undefined) throw new PeerNotConnected('There is no link to this peer; dial it first.')
      return await link.request(protocol, body, options)
    },
    async handle(protocol, handler, options) {
      handlers.set(protocol, handler, options)
      for (const link of links.all) link.update()
    },
    async unhandle(protocol) {
      handlers.delete(protocol)
      for (const link of links.all) link.update()
    },
    get dropped() {
      return gate.dropped
    },
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
