import type { Logger } from 'pino'
import { AddressUnsupported, DialFailed, type ErrorDetail, PeerNotConnected } from '../../errors.ts'
import { createSerial } from '../../lib/serial.ts'
import type { SignedMessage } from '../../model/signed-message.ts'
import type { DialledPeer, DialOptions, Network, NetworkKind, P2PEngine } from '../engine.ts'
import { sumOfLimits } from '../limits-reached.ts'
import { createMergedRouting } from '../merged-routing.ts'
import type { Reachability } from '../reach/reachability.ts'
import { recipientsOn } from '../recipients.ts'
import { createInterest, type InterestInit } from './interest.ts'
import { createInterestBeyond, interestProtocol } from './interest-beyond.ts'
import { createLinkedPeers } from './linked-peers.ts'

/** One of the two engines, and what a bridge may do with it. */
export interface Side extends Pick<InterestInit, 'maxTopics'> {
  engine: P2PEngine & Network
  /** Whether an address can be one of this engine. */
  speaks(multiaddr: string): boolean
}

export interface BothEngineInit extends Pick<InterestInit, 'mayCarry' | 'keptMs'> {
  sides: readonly [Side, Side]
}

/**
 * The P2PEngine contract on two engines with one key: a bridge between their networks. It knows the engines by their
 * contract only. Messages are handed from one network to the other by the user of this engine, who keeps them
 * (log/outbound.ts).
 */
export function createBothEngine(init: BothEngineInit, components: { logger: Logger }): P2PEngine {
  const { sides, mayCarry, keptMs } = init
  const { logger } = components
  const engines = sides.map(({ engine }) => engine)
  const [first, second] = sides
  const { peerId } = first.engine
  const topics = new Set<string>()
  const linked = createLinkedPeers(engines)
  const inTurn = createSerial()
  const isBridge = (peer: string) => linked.peerOf(peer)?.protocols.includes(interestProtocol) === true
  const hostOf = (peer: string) => linked.peerOf(peer)?.host ?? peer
  const isInBoth = (peer: string) => linked.peerOf(peer)?.networks.length === engines.length
  const beyond = createInterestBeyond({ sides: [first.engine, second.engine], own: topics, isBridge, isInBoth })
  let refusedTopics = 0
  let startedAt = Number.POSITIVE_INFINITY
  /** What each network has subscribers for, which is subscribed to in the other. */
  const wanted = new Map([
    [first.engine.kind, interestOf(first, second)],
    [second.engine.kind, interestOf(second, first)],
  ])
  const interests = [...wanted.values()]

  function interestOf(other: Side, { engine, maxTopics }: Side) {
    const onBridged = (topic: string) => linked.tell({ type: 'topic:bridged', topic })
    return createInterest(
      { maxTopics, mayCarry, keptMs },
      {
        engine,
        other: other.engine,
        own: topics,
        isBridge,
        hostOf,
        beyond: (asked) => beyond.ask(other.engine, asked),
        onFull: () => refusedTopics++,
        onBridged,
        logger,
      },
    )
  }

  /** Does something on both engines. Rejects with the first error once both have finished. */
  async function onBoth<Result>(work: (engine: P2PEngine & Network) => Promise<Result>): Promise<[Result, Result]> {
    const [one, other] = await Promise.allSettled([work(first.engine), work(second.engine)])
    if (one.status === 'rejected') throw one.reason
    if (other.status === 'rejected') throw other.reason
    return [one.value, other.value]
  }

  /** Who had subscribed before the bridge started is not known, and may not be linked yet. */
  function carries(topic: string, network: NetworkKind): boolean {
    return mayCarry(topic) && (performance.now() < startedAt + keptMs || wanted.get(network)?.has(topic) === true)
  }

  /** The interests of the networks other than this one, for which topics are subscribed to in it. */
  function interestsBeside(network?: NetworkKind) {
    return [...wanted].filter(([wanting]) => wanting !== network).map(([, interest]) => interest)
  }

  function bridgedTopics(network?: NetworkKind): string[] {
    return [...new Set(interestsBeside(network).flatMap((interest) => interest.topics()))]
  }

  function subscribes(topic: string, network: NetworkKind): boolean {
    return interestsBeside(network).some((interest) => interest.subscribes(topic))
  }

  async function startBoth(): Promise<void> {
    startedAt = Math.min(startedAt, performance.now())
    for (const interest of interests) interest.start()
    try {
      await onBoth((engine) => beyond.answerIn(engine))
      await onBoth((engine) => engine.start())
    } catch (error) {
      await stopBoth()
      throw error
    }
  }

  async function stopBoth(): Promise<void> {
    await onBoth((engine) => engine.stop())
    await Promise.all(interests.map((interest) => interest.stop()))
  }

  /** @throws PeerNotConnected */
  async function linkedTo(other: string): Promise<P2PEngine> {
    const engine = await linked.engineOf(other)
    if (engine === undefined) throw new PeerNotConnected('There is no link to this peer; dial it first.')
    return engine
  }

  /** Tries the engines that the address can belong to, one after the other. */
  async function dial(multiaddr: string, options: DialOptions): Promise<DialledPeer> {
    const able = sides.filter(({ speaks }) => speaks(multiaddr))
    const errors: DialFailed[] = []
    for (const { engine } of able.length > 0 ? able : sides.slice(1)) {
      try {
        const peer = await engine.dial(multiaddr, options)
        return { ...peer, ...linked.peerOf(peer.peerId), isThere: peer.isThere }
      } catch (error) {
        if (!(error instanceof DialFailed)) throw error
        errors.push(error)
      }
    }
    const [error, other] = errors
    if (error === undefined) throw new AddressUnsupported('Neither engine supports this address.')
    if (other === undefined) throw error
    throw new DialFailed(error.message, { cause: error, errors: byAddress([...(error.errors ?? []), ...(other.errors ?? [])]) })
  }

  const engine: P2PEngine = {
    kind: 'both',
    networks: engines,
    bridge: { mayCarry, carries, topics: bridgedTopics, subscribes },
    peerId,
    capabilities: {
      transports: [...new Set(engines.flatMap(({ capabilities }) => capabilities.transports))],
      dhtNamespaces: [...new Set(engines.flatMap(({ capabilities }) => capabilities.dhtNamespaces))],
      mdns: engines.some(({ capabilities }) => capabilities.mdns),
      get relay() {
        return engines.some(({ capabilities }) => capabilities.relay)
      },
      privateNetwork: engines.some(({ capabilities }) => capabilities.privateNetwork),
    },
    routing: createMergedRouting(engines.map(({ routing }) => routing)),
    start: () => inTurn(startBoth),
    stop: () => inTurn(stopBoth),
    [Symbol.asyncDispose]: () => engine.stop(),
    reachability: async () => mergeReachability(await onBoth((each) => each.reachability())),
    multiaddrs: async () => (await onBoth((each) => each.multiaddrs())).flat(),
    dial,
    async hangUp(other) {
      await onBoth((each) => each.hangUp(other))
    },
    ping: async (other, options) => (await linkedTo(other)).ping(other, options),
    peers: linked.peers,
    conflicts: async () => (await onBoth((each) => each.conflicts())).flat().toSorted((a, b) => a.lastSeenAt - b.lastSeenAt),
    async block(other) {
      await onBoth((each) => each.block(other))
    },
    async unblock(other) {
      await onBoth((each) => each.unblock(other))
    },
    async subscribe(topic) {
      topics.add(topic)
      await Promise.all(interests.map((interest) => interest.changed(topic)))
    },
    async unsubscribe(topic) {
      if (topics.delete(topic)) await Promise.all(interests.map((interest) => interest.changed(topic)))
    },
    topics: async () => [...topics],
    subscribers: async (topic) => [...new Set((await onBoth((each) => each.subscribers(topic))).flat())],
    sign: (messages) => first.engine.sign(messages),
    signDirect: (message) => first.engine.signDirect(message),
    async send(messages) {
      const counts = await onBoth((each) => each.send(messages))
      return await recipientsOn(engines, messages, counts)
    },
    request: async (other, protocol, body, options) => {
      options.signal.throwIfAborted()
      return await (await linkedTo(other)).request(other, protocol, body, options)
    },
    async handle(protocol, handler, options) {
      await onBoth((each) => each.handle(protocol, handler, options))
    },
    async unhandle(protocol) {
      await onBoth((each) => each.unhandle(protocol))
    },
    get dropped() {
      return engines.reduce((sum, { dropped }) => sum + dropped, 0)
    },
    get limitsReached() {
      return { ...sumOfLimits(engines.map(({ limitsReached }) => limitsReached)), bridged_topic: refusedTopics }
    },
    receive(inbound) {
      for (const each of engines) {
        const { room, isHeld } = inbound
        each.receive({
          onMessage: (message) => inbound.onMessage(message, each.kind),
          ...(isHeld === undefined ? {} : { isHeld: (message: SignedMessage) => isHeld.call(inbound, message) }),
          ...(room === undefined ? {} : { room: (from: string) => room.call(inbound, from) }),
        })
      }
    },
    listen: linked.listen,
  }
  return engine
}

function mergeReachability(all: Reachability[]): Reachability {
  const states = all.map(({ state }) => state)
  return {
    state: states.includes('direct') ? 'direct' : states.every((state) => state === 'hidden') ? 'hidden' : 'unknown',
    // The sides listen on different ports.
    confirmed: all.flatMap(({ confirmed }) => confirmed),
    observed: [...new Set(all.flatMap(({ observed }) => observed))],
    relays: [...new Set(all.flatMap(({ relays }) => relays))],
  }
}

/** One problem for each address, with what both engines say of it. */
function byAddress(problems: ErrorDetail[]): ErrorDetail[] {
  return [...Map.groupBy(problems, ({ multiaddr }) => multiaddr).values()].flatMap(([first, ...others]) =>
    first === undefined ? [] : { ...first, message: [first, ...others].map(({ message }) => message).join('; ') },
  )
}
