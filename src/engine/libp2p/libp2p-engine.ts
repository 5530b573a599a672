import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { PeerBlocked, PeerNotConnected, PeerUnreachable } from '../../errors.ts'
import type { Identity } from '../../identity/identity.ts'
import type { Limits } from '../../limits.ts'
import { parseMultiaddr, peerIdOf } from '../../model/peer.ts'
import { createMessageSigner } from '../../model/signed-message.ts'
import type { RecordStore } from '../../store/store.ts'
import { createDialPolicy } from '../dial-policy.ts'
import type { ConnectedPeer, DialOptions, EngineEvent, Inbound, P2PEngine } from '../engine.ts'
import { withoutPeerId } from './addresses.ts'
import { dialError } from './dial-errors.ts'
import { createInboundGate } from './inbound.ts'
import { createKeepConnected, type KeptPeer } from './keep-connected.ts'
import { createLinks } from './links.ts'
import { createNode, type Node } from './node.ts'
import { createRawPublish, type RawPublish } from './raw-publish.ts'
import { RecordDatastore } from './record-datastore.ts'

export interface Libp2pEngineInit {
  listen: string[]
  announce: string[]
  bootstrap: string[]
  mdns: boolean
  mdnsServiceTag?: string
  dialPrivate: boolean
  agent: string
  limits: Limits
}

export interface Libp2pEngineComponents {
  identity: Identity
  records: RecordStore
  log: Logger
}

/** What is there between a start and a stop. */
interface Running {
  node: Node
  raw: RawPublish
}

/** The P2PEngine contract on libp2p. A new node is made at each start; subscriptions and blocks are kept here. */
export function createLibp2pEngine(init: Libp2pEngineInit, components: Libp2pEngineComponents): P2PEngine {
  const { limits } = init
  const { identity, records, log } = components
  const { peerId } = identity
  const signer = createMessageSigner(peerId, identity.seed)
  const policy = createDialPolicy({ dialPrivate: init.dialPrivate })
  const datastore = new RecordDatastore({ records, log })
  const links = createLinks()
  const topics = new Set<string>()
  const blocked = new Set<string>()
  const listeners = new Set<(event: EngineEvent) => void>()
  let inbound: Inbound | undefined
  const gate = createInboundGate({ limits, peerId }, { inbound: () => inbound, topics, log })
  const kept = createKeepConnected({ peers: keptPeers(init.bootstrap), isConnected, dial: dialQuietly, log })
  let running: Running | undefined
  /** Starting and stopping, one after the other. */
  let turn: Promise<void> = Promise.resolve()

  const isBlocked = (id: { toString(): string }) => blocked.has(id.toString())
  const gater = {
    denyDialPeer: isBlocked,
    denyDialMultiaddr: () => false,
    denyInboundEncryptedConnection: isBlocked,
    denyOutboundEncryptedConnection: isBlocked,
  }

  function emit(event: EngineEvent): void {
    for (const listener of listeners) listener(event)
  }

  function isConnected(other: string): boolean {
    return running !== undefined && links.peer(running.node, other) !== undefined
  }

  function listenTo(node: Node): void {
    node.addEventListener('peer:connect', ({ detail }) => {
      const peer = links.peer(node, detail.toString())
      if (peer !== undefined) emit({ type: 'peer:connect', peer })
    })
    node.addEventListener('peer:disconnect', ({ detail }) => {
      links.gone(detail.toString())
      emit({ type: 'peer:disconnect', peerId: detail.toString() })
      kept.lost(detail.toString())
    })
    node.addEventListener('peer:identify', ({ detail }) => {
      links.identified(detail)
      const peer = links.peer(node, detail.peerId.toString())
      if (peer !== undefined) emit({ type: 'peer:update', peer })
    })
    node.addEventListener('peer:discovery', ({ detail }) => {
      discovered(
        detail.id.toString(),
        detail.multiaddrs.map((address) => address.toString()),
      )
    })
    node.services.pubsub.addEventListener('subscription-change', ({ detail }) => {
      for (const { topic, subscribe } of detail.subscriptions) {
        emit({ type: subscribe ? 'topic:subscribe' : 'topic:unsubscribe', peerId: detail.peerId.toString(), topic })
      }
    })
  }

  /** mDNS is the only discovery of the node itself. Both ends find each other, and both dial; libp2p keeps one link. */
  function discovered(other: string, addresses: string[]): void {
    emit({ type: 'peer:discovery', peerId: other, multiaddrs: addresses, source: 'mdns' })
    const full = running === undefined || running.node.getConnections().length >= limits.maxConnections
    if (full || isConnected(other) || blocked.has(other)) return
    const signal = AbortSignal.timeout(limits.dialTimeoutMs)
    void (async () => {
      for (const address of addresses) {
        if (isConnected(other)) return
        const named = address.includes('/p2p/') ? address : `${address}/p2p/${other}`
        await dial(named, { source: 'mdns', signal }).catch((err: unknown) => log.debug({ err }, 'a discovered peer could not be dialled'))
      }
    })()
  }

  async function dial(address: string, { source, signal }: DialOptions): Promise<ConnectedPeer> {
    signal.throwIfAborted()
    const target = parseMultiaddr(address)
    const expected = peerIdOf(target)
    if (expected !== undefined && blocked.has(expected)) throw new PeerBlocked('This peer is blocked.')
    if (running === undefined) throw dialError(address, new Error('the node is not running'))
    policy.note(withoutPeerId(target), source)
    const { node } = running
    try {
      const connection = await node.dial(target, { signal: AbortSignal.any([signal, AbortSignal.timeout(limits.dialTimeoutMs)]) })
      const peer = links.peer(node, connection.remotePeer.toString())
      if (peer === undefined) throw new Error('the link was closed at once')
      return peer
    } catch (error) {
      signal.throwIfAborted()
      throw dialError(address, error)
    }
  }

  async function dialQuietly(address: string, signal: AbortSignal): Promise<void> {
    await dial(address, { source: 'configured', signal })
  }

  async function startNode(): Promise<void> {
    if (running !== undefined) return
    datastore.open()
    const node = await createNode({ ...init, seed: identity.seed }, { policy, gater, datastore })
    listenTo(node)
    const { pubsub } = node.services
    // One validator for every topic, those that are not subscribed to among them: nothing is taken in that nobody asked for.
    pubsub.topicValidators.get = () => (_peer, message) => gate.judge(message)
    const raw = createRawPublish(pubsub)
    try {
      await node.start()
    } catch (error) {
      await node.stop()
      throw error
    }
    for (const topic of topics) pubsub.subscribe(topic)
    running = { node, raw }
    kept.start()
  }

  async function stopNode(): Promise<void> {
    await kept.stop()
    const stopping = running
    running = undefined
    if (stopping === undefined) return
    const connected = links.peers(stopping.node)
    await stopping.node.stop()
    for (const { peerId: other } of connected) links.gone(other)
    await datastore.close()
  }

  function inTurn(work: () => Promise<void>): Promise<void> {
    const done = turn.then(work)
    turn = done.catch(() => undefined)
    return done
  }

  const engine: P2PEngine = {
    kind: 'libp2p',
    peerId,
    start: () => inTurn(startNode),
    stop: () => inTurn(stopNode),
    [Symbol.asyncDispose]: () => engine.stop(),
    multiaddrs: async () => running?.node.getMultiaddrs().map((address) => address.toString()) ?? [],
    dial,
    async hangUp(other) {
      await running?.node.hangUp(peerIdFromString(other))
    },
    async ping(other, { signal }) {
      if (running === undefined || !isConnected(other)) throw new PeerNotConnected('There is no link to this peer; dial it first.')
      try {
        const latencyMs = await running.node.services.ping.ping(peerIdFromString(other), {
          signal: AbortSignal.any([signal, AbortSignal.timeout(limits.pingTimeoutMs)]),
        })
        links.measured(other, latencyMs)
        return latencyMs
      } catch (cause) {
        signal.throwIfAborted()
        throw new PeerUnreachable('The peer did not answer the ping.', { cause })
      }
    },
    peers: async () => (running === undefined ? [] : links.peers(running.node)),
    async block(other) {
      blocked.add(other)
      await engine.hangUp(other)
    },
    async unblock(other) {
      blocked.delete(other)
    },
    async subscribe(topic) {
      topics.add(topic)
      running?.node.services.pubsub.subscribe(topic)
    },
    async unsubscribe(topic) {
      if (topics.delete(topic)) running?.node.services.pubsub.unsubscribe(topic)
    },
    topics: async () => [...topics],
    async subscribers(topic) {
      if (running === undefined) return []
      const { node, raw } = running
      const ids = node.services.pubsub.getSubscribers(topic).map((id) => id.toString())
      return ids.filter((id) => raw.reaches(id) && isConnected(id))
    },
    sign: async (messages) => messages.map(({ topic, data }) => signer.sign(identity.nextSequence(), topic, data)),
    async send(messages) {
      return running === undefined ? messages.map(() => 0) : running.raw.send(messages)
    },
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

/** Configured addresses by the peer that they name; a dnsaddr that names none stands for itself. */
function keptPeers(bootstrap: string[]): KeptPeer[] {
  const peers = new Map<string, string[]>()
  for (const address of bootstrap) {
    const peerId = peerIdOf(multiaddr(address)) ?? address
    peers.set(peerId, [...(peers.get(peerId) ?? []), address])
  }
  return [...peers].map(([peerId, multiaddrs]) => ({ peerId, multiaddrs }))
}
