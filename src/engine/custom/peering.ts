import { randomUUID } from 'node:crypto'
import type { Identity } from '../../identity/identity.ts'
import { createDeadline } from '../../lib/deadline.ts'
import { parseAddress } from '../../model/peer.ts'
import { createBackOff } from '../dial/back-off.ts'
import { throughRelays } from '../dial/circuit-address.ts'
import { withoutPeerId } from '../dial/endpoint.ts'
import { createDialGate } from '../dial/gate.ts'
import { createDialPolicy } from '../dial/policy.ts'
import { createHalfOpen } from '../half-open.ts'
import { createIdentityConflicts, type IdentityConflicts } from '../identity-conflicts.ts'
import type { LimitsReached } from '../limits-reached.ts'
import type { ReachCounter } from '../reach/reach-counts.ts'
import type { Reading } from '../reading.ts'
import { createBootstrap } from './bootstrap.ts'
import { type Connections, createConnections } from './connections.ts'
import { frameTypes } from './link/frame-types.ts'
import { createHandlers, type Handlers } from './link/handlers.ts'
import { type Hello, helloAddresses, protocolVersions } from './link/hello.ts'
import type { Link, LinkView } from './link/link.ts'
import { createLinkHandshake } from './link/link-handshake.ts'
import { createLinks, type Links } from './link/links.ts'
import type { Incoming, Listener } from './link/listener.ts'
import { tellerOf } from './link/teller-of.ts'
import { createLinkViews } from './link-views.ts'
import { createListeners } from './listeners.ts'
import type { PeerRecord } from './overlay/overlay.ts'
import { createReach, type Reach } from './reach/reach.ts'
import { createSeeking, type SeekingComponents, type SeekingInit } from './seeking.ts'

/**
 * The links of this node to its peers: it listens, dials, keeps links alive, and says how this node is reached. It does
 * not know what gossip and requests on the links are about. Blocks and handlers outlive a stop.
 */
export interface Peering {
  readonly links: Links
  readonly handlers: Handlers
  readonly connections: Connections
  readonly conflicts: IdentityConflicts
  readonly reach: Reach
  /** The addresses of this node, each with its peer id. Empty while it is stopped. */
  addresses(): string[]
  /** The view of a linked peer that other parts get. */
  viewOf(link: Link): LinkView
  /** The peer of a link has told addresses, its own or those of others. */
  told(multiaddrs: readonly string[], link: Link): void
  /** Lets a blocked peer have links again; a configured one is dialled. */
  unblock(peerId: string): void
  /** Fires when the node is stopped; undefined while it is. */
  stopping(): AbortSignal | undefined
  /** Opens the listeners. @throws StartupError, or Error when an address can't be listened on */
  listen(): Promise<void>
  /** Starts to dial peers: configured ones, those on the local network, and those with silent links. */
  seek(): void
  /** Stops to dial peers. */
  stopSeeking(): Promise<void>
  /** Closes all links, then the listeners. */
  close(): Promise<void>
}

export interface PeeringInit extends Omit<SeekingInit, 'peerId'> {
  listen: string[]
  announce: string[]
  bootstrap: string[]
  /** For listening with TLS. */
  tls?: { certFile: string | undefined; keyFile: string | undefined }
  /** Whether to be a relay for others. */
  relay: boolean
  /** Whether to have a router forward the ports of the node, unless other addresses are announced. */
  portMapping: boolean
  /** WebRTC; undefined when it is off. The STUN server for peers listens on the UDP port. */
  webRtc?: { readonly stunPort: number } | undefined
  dialPrivate: boolean
  dialOwnHost?: boolean
  agent: string
}

export interface PeeringComponents extends Pick<SeekingComponents, 'onFound' | 'onDialled' | 'logger'> {
  identity: Identity
  reading: Reading
  reached: LimitsReached
  counter: ReachCounter
  /** A link counts now. It may have `replaced` another to the same peer. */
  onLink(link: Link, options: { pinned: boolean; replaced: Link | undefined }): void
  /** The peer of a link has told more about itself. */
  onUpdate(link: Link): void
  /** A user or the configuration asked for a link that exists already. */
  onPinned(link: Link): void
  /** A link that counted has closed. */
  onClose(link: Link): void
  /** A frame of gossip or membership. @throws ProtocolViolation, which closes the link */
  onFrame(link: Link, type: number, body: Buffer): void
  /** A peer that refused or ended a link suggests other peers. */
  onSuggested(peers: readonly PeerRecord[]): void
}

/** The state between a start and a stop. */
interface Running {
  listeners: Listener[]
  instance: string
  stopping: AbortController
  heartbeat?: NodeJS.Timeout
}

export function createPeering(init: PeeringInit, components: PeeringComponents): Peering {
  const { limits } = init
  const { identity, reading, reached, counter, logger } = components
  const { peerId } = identity
  const policy = createDialPolicy(init)
  const dialGate = createDialGate({ policy, onRefused: () => reached.note('told_dial') })
  const links = createLinks({ peerId })
  const views = createLinkViews({ policy })
  const bootstrap = createBootstrap(init.bootstrap)
  const handlers = createHandlers({ limits }, { reached, isConfigured: (other) => bootstrap.has(other) })
  const backOff = createBackOff({ logger })
  const conflicts = createIdentityConflicts({ peerId }, { logger })
  const halfOpen = createHalfOpen(limits, { reached })
  let running: Running | undefined
  const meeting = createLinkHandshake(
    { limits, seed: identity.seed, hello },
    {
      handlers,
      reading,
      reached,
      logger,
      refusal: (other) => connections.refusals.of(other),
      onFrame,
      onUpdate,
      onClose,
    },
  )
  const reach = createReach(
    {
      relay: init.relay,
      portMapping: init.portMapping && init.announce.length === 0,
      webRtc: init.webRtc,
      secret: identity.seed,
      limits,
    },
    {
      links,
      handlers,
      meeting,
      dialGate,
      listened,
      told: (multiaddrs, teller) => policy.told(multiaddrs, teller),
      onCircuit: (socket, relay) => {
        const remote = `${relay.remote}/p2p/${relay.peerId}${throughRelays}`
        const place = halfOpen.enter(`through ${relay.peerId}`, () => socket.terminate())
        if (place === undefined) socket.terminate()
        else void onSocket({ socket, remote, seenAt: undefined, observed: '' }, place)
      },
      dial: (address, signal) => connections.dial(address, { source: 'learnt', signal }),
      adopt: (link) => connections.welcome(link),
      onChange: links.update,
      reached,
      counter,
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
      onPinned: components.onPinned,
      onSuggested(peers, by) {
        for (const { multiaddrs } of peers) policy.told(multiaddrs, by)
        components.onSuggested(peers)
      },
      logger,
    },
  )
  const seeking = createSeeking({ ...init, peerId }, { ...components, links, connections: () => connections, bootstrap, policy, addresses })

  const own = (address: string) => `${address}/p2p/${peerId}`

  function hello(observed: string): Hello {
    return {
      versions: [...protocolVersions],
      instance: running?.instance ?? '',
      agent: init.agent,
      multiaddrs: running === undefined ? [] : helloAddresses(listened().map(own), reach.addresses().map(own)),
      protocols: handlers.protocols,
      observed,
    }
  }

  /** Without peer id. */
  function listened(): string[] {
    const own = running?.listeners.flatMap((listener) => listener.multiaddrs()) ?? []
    return own.length > 0 && init.announce.length > 0 ? init.announce.map((text) => withoutPeerId(parseAddress(text))) : own
  }

  function addresses(): string[] {
    if (running === undefined) return []
    return [...listened(), ...reach.addresses()].map(own)
  }

  function onLink(link: Link, options: { pinned: boolean; replaced: Link | undefined }): void {
    policy.told(link.hello.multiaddrs, tellerOf(link))
    components.onLink(link, options)
    reach.linked(link)
  }

  function onUpdate(link: Link): void {
    if (links.get(link.peerId) !== link) return
    policy.told(link.hello.multiaddrs, tellerOf(link))
    reach.updated(link)
    components.onUpdate(link)
  }

  function onClose(link: Link): void {
    const counted = connections.closed(link)
    reach.lost(link)
    if (!counted) return
    components.onClose(link)
    seeking.lost(link.peerId)
  }

  function onFrame(link: Link, type: number, body: Buffer): void {
    if (running === undefined || links.get(link.peerId) === undefined) return
    if (circuitFrames.has(type)) reach.receive(link, type, body)
    else components.onFrame(link, type, body)
  }

  async function onSocket(incoming: Incoming, place: Disposable): Promise<void> {
    using _place = place
    using deadline = createDeadline(limits.dialTimeoutMs, [])
    try {
      await connections.welcome(await meeting.answer(incoming, deadline.signal))
    } catch (err) {
      logger.debug({ err, remote: incoming.remote }, 'failed to make a link of a socket')
    }
  }

  return {
    links,
    handlers,
    connections,
    conflicts,
    reach,
    addresses,
    viewOf: views.viewOf,
    told(multiaddrs, link) {
      policy.told(multiaddrs, tellerOf(link))
      connections.told(multiaddrs)
    },
    unblock(other) {
      if (connections.unblock(other)) seeking.lost(other)
    },
    stopping: () => running?.stopping.signal,
    async listen() {
      backOff.clear()
      const listeners = await createListeners(init, { halfOpen, onSocket: (incoming, place) => void onSocket(incoming, place) })
      const starting: Running = { listeners, instance: randomUUID(), stopping: new AbortController() }
      running = starting
      try {
        for (const listener of listeners) await listener.start()
      } catch (error) {
        running = undefined
        await Promise.all(listeners.map((listener) => listener.stop()))
        throw error
      }
      starting.heartbeat = setInterval(() => {
        for (const link of links.all) link.beat()
      }, limits.silentLinkMs / 3)
      reach.start()
    },
    seek: seeking.start,
    async stopSeeking() {
      await Promise.all([seeking.stop(), reach.stop()])
    },
    async close() {
      if (running === undefined) return
      const { listeners, stopping, heartbeat } = running
      clearInterval(heartbeat)
      stopping.abort(new Error('the node was stopped'))
      const open = [...links.all]
      for (const link of open) link.close()
      await Promise.all(open.map(({ closed }) => closed))
      running = undefined
      await Promise.all(listeners.map((listener) => listener.stop()))
    },
  }
}

const circuitFrames = new Set<number>([frameTypes.circuit, frameTypes.circuitData, frameTypes.circuitCredit])
