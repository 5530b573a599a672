import type { Logger } from 'pino'
import { createDeadline, orAborted } from '../../../lib/deadline.ts'
import { parseMultiaddr } from '../../../model/peer.ts'
import { throughRelays as circuitSuffix, directAddresses, isCircuitAddress } from '../../dial/circuit-address.ts'
import type { DialGate } from '../../dial/gate.ts'
import type { Teller } from '../../dial/tellers.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import { createRouterPorts } from '../../port-mapping/router-ports.ts'
import { createObserved } from '../../reach/observed.ts'
import type { ReachCounter } from '../../reach/reach-counts.ts'
import type { ConfirmedAddress } from '../../reach/reachability.ts'
import { addressProblem } from '../addresses.ts'
import type { Handlers } from '../link/handlers.ts'
import type { Link } from '../link/link.ts'
import type { LinkHandshake } from '../link/link-handshake.ts'
import type { Links } from '../link/links.ts'
import { type Circuit, createCircuit, openCircuit } from './circuit.ts'
import { type CircuitEnd, type CircuitEndListener, createCircuitEnds } from './circuit-ends.ts'
import { type Crossing, type CrossingInit, createCrossing } from './crossing.ts'
import { createDialBack, NotTried } from './dial-back.ts'
import type { SeenAt } from './direct-path.ts'
import { outsideAddresses, portOf } from './outside-addresses.ts'
import { dialBackAnswer, dialBackProtocol, dialBackRequest, maxDialBackAddresses, relayProtocol, reservationAnswer } from './protocols.ts'
import { createReachability, type Reachability } from './reachability.ts'
import { createRelay } from './relay.ts'
import { createShowing } from './showing.ts'

/** Reachability of this node and of its peers: observed addresses, dial-backs, relays and circuits. */
export interface Reach {
  start(): void
  stop(): Promise<void>
  linked(link: Link): void
  /** The peer sent another hello. */
  updated(link: Link): void
  lost(link: Link): void
  /** A frame of a circuit. @throws ProtocolViolation */
  receive(link: Link, type: number, body: Buffer): void
  /** Opens a circuit through a relay to a peer. @throws Error */
  openCircuit(relay: Link, peerId: string, signal: AbortSignal): Promise<Circuit>
  /**
   * Addresses beyond the listening ones, without peer id: those where peers see this node and ports of its router, as far
   * as they are confirmed, and addresses through relays.
   */
  addresses(): string[]
  readonly state: Reachability['state']
  /** Addresses that peers have dialled back, without peer id. */
  readonly confirmed: ConfirmedAddress[]
  /** Relays that carry circuits to this node. */
  readonly relays: string[]
  /** The IP addresses at which peers observe this node. */
  readonly observed: string[]
}

export interface ReachInit extends CrossingInit {
  /** Whether to be a relay for others, when this node itself is not hidden. */
  relay: boolean
  /** Whether to have routers forward the listened ports. */
  portMapping: boolean
  /** A secret of this node, of which routers are shown keyed hashes. */
  secret: Uint8Array
}

export interface ReachComponents {
  links: Links
  handlers: Handlers
  meeting: Pick<LinkHandshake, 'probe' | 'meet' | 'meetOver' | 'arrivalOf'>
  dialGate: DialGate
  /** The listening addresses, or those announced instead, without peer id. */
  listened(): string[]
  /** A peer tells its own addresses. */
  told(addresses: Iterable<string>, teller: Teller): void
  /** Dials an address that its peer has told. @throws Error */
  dial(address: string, signal: AbortSignal): Promise<unknown>
  /** A peer has reached this node through a relay. */
  onCircuit(circuit: Circuit, relay: Link): void
  /** Takes a link whose peer has said hello. @throws Error when it is not wanted */
  adopt(link: Link): Promise<void>
  /** This node's addresses have changed. */
  onChange(): void
  reached: LimitsReached
  counter: ReachCounter
  logger: Logger
}

/** Milliseconds between two steps of the reachability check. */
const stepMs = 5_000
const handleOptions = { maxRequestBytes: 8_192, maxConcurrent: 20 }
const maxAnswerBytes = 8_192
/** Milliseconds for the socket of a dial-back, of which the peer tells on another one. */
const arrivalMs = 2_000
/** Addresses of a relay that this node announces itself under. */
const maxAddressesPerRelay = 2

export function createReach(init: ReachInit, components: ReachComponents): Reach {
  const { limits } = init
  const { links, handlers, meeting, dialGate, listened, told, onCircuit, onChange, reached, counter, logger } = components
  const observed = createObserved()
  const routerPorts = createRouterPorts(
    { isOn: init.portMapping, secret: init.secret },
    { ports: () => listened().flatMap(portOf), onChange: remapped, logger },
  )
  const relay = createRelay({ limits }, { legs: () => legs, linkTo: (other) => links.get(other), reached, counter })
  const showing = createShowing({ hasCircuit: (one, other) => relay.joins(one, other) })
  const legs = createCircuitEnds(
    { maxLegsPerLink: limits.maxStreamsPerConnection },
    { onBegin, onShow, onSeen: (link, peerId, at) => crossing.seen(link, peerId, at) },
  )
  const crossing: Crossing = createCrossing(init, { ...components, show: (over, other) => legs.show(over, other) })
  const reachability = createReachability({
    now: () => performance.now(),
    candidates,
    dialsBack: () => speaking(dialBackProtocol),
    relays: () => speaking(relayProtocol),
    askDialBack,
    reserve,
    onChange,
  })
  let timer: NodeJS.Timeout | undefined
  let patience: NodeJS.Timeout | undefined
  let stopping = new AbortController()

  function speaking(protocol: string): string[] {
    const direct = [...links.all].filter((link) => !link.isRelayed && !crossing.has(link))
    return direct.filter((link) => link.hello.protocols.includes(protocol)).map((link) => link.peerId)
  }

  function outside() {
    return outsideAddresses({ listened: listened(), observed: observed.addresses(), mapped: routerPorts.mapped })
  }

  function candidates(): string[] {
    const { forwarded, assumed } = outside()
    return [...new Set([...forwarded, ...assumed, ...listened()])].slice(0, maxDialBackAddresses)
  }

  function remapped(): void {
    reachability.forwarded(outside().forwarded)
    stepReachability()
  }

  async function askDialBack(other: string, multiaddrs: string[]) {
    const link = links.get(other)
    if (link === undefined) return []
    const body = dialBackRequest.encode({ multiaddrs })
    using arrival = meeting.arrivalOf(other)
    const answer = await link.request(dialBackProtocol, body, { signal: stopping.signal, maxAnswerBytes })
    const { results } = dialBackAnswer.decode(answer)
    if (!results.some(({ reached: isReached }) => isReached)) return results
    // A peer that only says so has not reached this node.
    using deadline = createDeadline(arrivalMs, [stopping.signal])
    await orAborted(arrival.arrived, deadline.signal)
    return results
  }

  async function reserve(other: string): Promise<void> {
    const link = links.get(other)
    if (link === undefined) throw new Error('the link to the relay has closed')
    reservationAnswer.decode(await link.request(relayProtocol, new Uint8Array(), { signal: stopping.signal, maxAnswerBytes }))
  }

  async function onReserve({ from }: { from: string }): Promise<Uint8Array> {
    if (reachability.state === 'hidden') throw new Error('this node is hidden itself')
    if (!relay.reserve(from)) throw new Error('this relay has no free reservation')
    return reservationAnswer.encode({ maxBytes: limits.maxRelayBytes, maxMs: limits.relayMs })
  }

  async function probe(text: string, target: { ip: string; peerId: string }, signal: AbortSignal): Promise<void> {
    const address = parseMultiaddr(text)
    let tried = false
    told([text], { ip: target.ip, isRelayed: false })
    if (isCircuitAddress(address) || addressProblem(address) !== undefined) throw new NotTried('it is not dialled')
    try {
      await dialGate.dial(address, signal, async (at) => {
        if (at.ip !== target.ip) throw new Error('the address is not that of the peer')
        tried = true
        await meeting.probe(at, target.peerId, signal)
      })
    } catch (cause) {
      throw tried ? cause : new NotTried('it was not dialled', { cause })
    }
  }

  function onBegin(link: Link, role: 'open' | 'offer', other: string, leg: CircuitEnd): CircuitEndListener | string {
    if (role === 'open') return init.relay ? relay.open(link, other, leg) : 'this node is no relay'
    if (!reachability.relays.includes(link.peerId)) return 'this node has no reservation at this relay'
    leg.opened()
    const circuit = createCircuit(leg)
    // The leg's listener is known once this has returned.
    queueMicrotask(() => onCircuit(circuit, link))
    return circuit.listener
  }

  function onShow(link: Link, other: string): { to: Link; at: SeenAt } | undefined {
    const to = links.get(other)
    const at = to === undefined ? undefined : showing.of(link, other)
    return to === undefined || at === undefined ? undefined : { to, at }
  }

  function note(link: Link): void {
    if (link.direction === 'outbound') observed.note(link.peerId, link.hello.observed)
    if (reachability.state !== 'direct') stepReachability()
    crossing.step()
  }

  function step(): void {
    stepReachability()
    crossing.step()
  }

  function stepReachability(): void {
    reachability.step().catch((err: unknown) => logger.warn({ err }, 'failed to determine how this node is reached'))
    const { lateInMs } = reachability
    if (patience !== undefined || lateInMs === undefined) return
    patience = setTimeout(() => {
      patience = undefined
      stepReachability()
    }, lateInMs)
  }

  function throughRelays(): string[] {
    return reachability.relays.flatMap((other) => {
      const told = links.get(other)?.hello.multiaddrs ?? []
      return directAddresses(told)
        .slice(0, maxAddressesPerRelay)
        .map((address) => `${address}${circuitSuffix}`)
    })
  }

  return {
    start() {
      stopping = new AbortController()
      const seenAt = (other: string) => links.get(other)?.seenAt
      handlers.set(dialBackProtocol, createDialBack({ timeoutMs: limits.dialTimeoutMs }, { seenAt, probe }), handleOptions)
      crossing.start()
      if (init.relay) handlers.set(relayProtocol, onReserve, handleOptions)
      timer = setInterval(step, stepMs)
      routerPorts.start()
    },
    async stop() {
      clearInterval(timer)
      clearTimeout(patience)
      patience = undefined
      stopping.abort(new Error('the node was stopped'))
      handlers.delete(dialBackProtocol)
      handlers.delete(relayProtocol)
      await Promise.all([routerPorts.stop(), crossing.stop()])
    },
    linked: note,
    updated: note,
    lost(link) {
      legs.lost(link)
      if (links.get(link.peerId) !== undefined) return
      relay.lost(link.peerId)
      observed.lost(link.peerId)
      reachability.lost(link.peerId)
    },
    receive: (link, type, body) => legs.receive(link, type, body),
    openCircuit: (over, other, signal) => openCircuit((listener) => legs.begin(over, 'open', other, listener), signal),
    addresses() {
      const confirmed = new Set(reachability.confirmed.map(({ multiaddr: address }) => address))
      const { forwarded, assumed } = outside()
      const found = [...forwarded, ...assumed].filter((address) => confirmed.has(address) && !listened().includes(address))
      return [...found, ...throughRelays()]
    },
    get state() {
      return reachability.state
    },
    get confirmed() {
      return reachability.confirmed
    },
    get relays() {
      return reachability.relays
    },
    get observed() {
      return observed.addresses()
    },
  }
}
