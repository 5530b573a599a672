import type { Connection, IdentifyResult } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { createDeadline } from '../../../lib/deadline.ts'
import { createSingleFlight } from '../../../lib/single-flight.ts'
import type { Limits } from '../../../limits.ts'
import { isCircuitAddress } from '../../dial/circuit-address.ts'
import { endpointOf } from '../../dial/endpoint.ts'
import { type DialPolicy, isLoopbackAddress, isPublicAddress } from '../../dial/policy.ts'
import type { ConnectedPeer } from '../../engine.ts'
import type { MappedPort } from '../../port-mapping/port-mapper.ts'
import type { LocalPort } from '../../port-mapping/router.ts'
import { createDialBackJudge } from '../../reach/dial-back-judge.ts'
import { isDirect } from '../../reach/link-path.ts'
import { createObserved } from '../../reach/observed.ts'
import type { Reachability } from '../../reach/reachability.ts'
import type { Node } from '../node.ts'
import { seenAtOf } from '../teller-of.ts'
import { createAutonatClient } from './autonat-client.ts'
import { dialBackProtocol, dialRequestProtocol } from './autonat-messages.ts'
import { createAutonatServer } from './autonat-server.ts'
import { type AnnouncedAddress, movedTo, type OwnAddresses, socketOf } from './own-addresses.ts'

/**
 * Finds out at which addresses this node can be dialled, and announces those that a peer has dialled back: of those that
 * it listens on, the same ports at the IP addresses where peers see it, and ports that a router says it forwards.
 */
export interface Reach {
  /** Registers the protocols with a node, before it starts. */
  register(node: Node): Promise<void>
  start(): void
  stop(): void
  /** A peer has said what it speaks, and where it sees this node. */
  identified(result: IdentifyResult): void
  /** The last link to a peer has ended. */
  gone(peerId: string): void
  /** The router forwards other ports. */
  remapped(): void
  /** Ports that a router could forward; none when other addresses are announced. */
  localPorts(): LocalPort[]
  view(): Reachability
}

export interface ReachInit {
  /** Addresses that are announced in place of all others. */
  announce: string[]
  limits: Pick<Limits, 'dialTimeoutMs' | 'maxConnections'>
}

export interface ReachComponents {
  node(): Node | undefined
  peers(node: Node): ConnectedPeer[]
  addresses: OwnAddresses
  policy: DialPolicy
  mapped(): MappedPort[]
  /** Relays that carry circuits to this node. */
  relays(): string[]
  /** The state may have changed. */
  onState(state: Reachability['state']): void
  now?: () => number
  logger: Logger
}

/** Milliseconds between two steps. */
const stepMs = 5_000
/** Addresses that peers are asked to dial, each in a request of its own. */
const maxCandidates = 6
/** Streams of AutoNAT on a connection. */
const maxStreams = maxCandidates + 2

export function createReach(init: ReachInit, components: ReachComponents): Reach {
  const { limits } = init
  const { node, peers, addresses, policy, mapped, relays, onState, logger, now = () => performance.now() } = components
  const announced = init.announce.filter(isOfSocket)
  const observed = createObserved()
  // A dial-back takes a dial, and the data of a dial elsewhere.
  const timeouts = { timeoutMs: limits.dialTimeoutMs * 2 }
  const client = createAutonatClient(timeouts, { logger })
  const server = createAutonatServer(timeouts, {
    policy,
    dial,
    hasRoom: () => (node()?.getConnections().length ?? 0) < limits.maxConnections,
    now,
    logger,
  })
  const judge = createDialBackJudge({ now, candidates, dialsBack, askDialBack })
  let stopping = new AbortController()
  let timer: NodeJS.Timeout | undefined

  /** In half of the time of a request, so that its failure can be told. */
  async function dial(address: Multiaddr, given: AbortSignal): Promise<Connection> {
    using deadline = createDeadline(limits.dialTimeoutMs, [given])
    return await addresses.dialBack(address, deadline.signal)
  }

  /** Addresses that a router says it forwards; with IPv6 listened ones that a firewall lets packets through to. */
  function forwarded(listened: string[]): AnnouncedAddress[] {
    return listened.flatMap((inside) =>
      mapped()
        .filter((each) => isSameSocket(socketOf(inside), each))
        .map(({ external }) => ({ inside, outside: movedTo(inside, external) })),
    )
  }

  /** Addresses that lead to a listened one, if a router has them do so. */
  function outside(): AnnouncedAddress[] {
    const listened = addresses.listened().filter(isOfSocket)
    const seen = [...placesOf(listened)].flatMap((inside) =>
      observed
        .addresses()
        .filter((ip) => ip.includes(':') === socketOf(inside).ip.includes(':'))
        .map((ip) => ({ inside, outside: movedTo(inside, { ip }) })),
    )
    const found = [...forwarded(listened), ...seen].filter((each) => !listened.includes(each.outside))
    return found.filter((each, index) => found.findIndex((other) => other.outside === each.outside) === index)
  }

  /** Once this node has a public address, or may have one, private ones do not tell whether it can be reached. */
  function candidates(): string[] {
    if (init.announce.length > 0) return announced.slice(0, maxCandidates)
    const all = [...outside().map((each) => each.outside), ...addresses.listened().filter(isOfSocket)]
    const open = all.filter((address) => isPublicAddress(socketOf(address).ip))
    const local = all.filter((address) => !isLoopbackAddress(socketOf(address).ip))
    return (open.length > 0 ? open : local.length > 0 ? local : all).slice(0, maxCandidates)
  }

  function dialsBack(): string[] {
    const running = node()
    if (running === undefined) return []
    return peers(running).flatMap(({ peerId, path, protocols }) =>
      isDirect(path) && protocols.includes(dialRequestProtocol) ? peerId : [],
    )
  }

  async function askDialBack(other: string, wanted: string[]) {
    const connection = node()
      ?.getConnections(peerIdFromString(other))
      .find(({ direct, status }) => direct && status === 'open')
    if (connection === undefined) return []
    const asked = wanted.map(async (address) => ({ multiaddr: address, reached: await client.ask(connection, address, stopping.signal) }))
    const results = await Promise.allSettled(asked)
    return results.flatMap((each) =>
      each.status === 'fulfilled' && each.value.reached !== undefined ? { ...each.value, reached: each.value.reached } : [],
    )
  }

  function update(): void {
    const confirmed = new Set(judge.confirmed.map((each) => each.multiaddr))
    const listened = addresses.listened().filter((address) => isOfSocket(address) && isPublicAddress(socketOf(address).ip))
    const own = listened.map((address) => ({ inside: address, outside: address }))
    if (init.announce.length === 0) addresses.announce([...own, ...outside()].filter((each) => confirmed.has(each.outside)))
    onState(judge.state)
  }

  const work = createSingleFlight(() => judge.judge().then(update))

  function step(): void {
    work.run().catch((err: unknown) => logger.warn({ err }, 'failed to determine how this node is reached'))
  }

  return {
    async register(running) {
      const options = { maxInboundStreams: maxStreams, maxOutboundStreams: maxStreams }
      await running.handle(dialRequestProtocol, server, options)
      await running.handle(dialBackProtocol, client.onDialBack, options)
    },
    start() {
      stopping = new AbortController()
      timer = setInterval(step, stepMs).unref()
    },
    stop() {
      clearInterval(timer)
      stopping.abort(new Error('the node was stopped'))
    },
    identified({ connection, observedAddr, peerId }) {
      if (connection.direct && observedAddr !== undefined) observed.note(peerId.toString(), seenAtOf(observedAddr) ?? '')
      if (judge.state !== 'direct') step()
    },
    gone: (peerId) => observed.lost(peerId),
    remapped() {
      judge.forwarded(forwarded(addresses.listened().filter(isOfSocket)).map((each) => each.outside))
      update()
      step()
    },
    localPorts() {
      return init.announce.length > 0 ? [] : addresses.listened().filter(isOfSocket).map(socketOf)
    },
    view: () => ({ state: judge.state, confirmed: judge.confirmed, observed: observed.addresses(), relays: relays() }),
  }
}

/** One listened address of each port: on every interface the same ports are open. */
function placesOf(listened: string[]): Iterable<string> {
  const of = (address: string) => movedTo(address, { ip: socketOf(address).ip.includes(':') ? '::' : '0.0.0.0' })
  const isInside = (address: string) => !isLoopbackAddress(socketOf(address).ip)
  return new Map(
    listened.toSorted((one, other) => Number(isInside(one)) - Number(isInside(other))).map((each) => [of(each), each]),
  ).values()
}

function isOfSocket(address: string): boolean {
  const parsed = multiaddr(address)
  return /^\/ip[46]\//.test(address) && !isCircuitAddress(parsed) && endpointOf(parsed) !== undefined
}

function isSameSocket(one: LocalPort, other: LocalPort): boolean {
  return one.transport === other.transport && one.ip === other.ip && one.port === other.port
}
