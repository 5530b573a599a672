import { isIP } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import type { Limits } from '../../../limits.ts'
import { parseMultiaddr, peerIdOf } from '../../../model/peer.ts'
import { throughRelays as circuitSuffix, directAddresses, isCircuitAddress } from '../../dial/circuit-address.ts'
import { endpointOf } from '../../dial/endpoint.ts'
import type { DialGate } from '../../dial/gate.ts'
import { isPublicAddress } from '../../dial/policy.ts'
import type { Teller } from '../../dial/tellers.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import { createObserved } from '../../reach/observed.ts'
import type { ReachCounter } from '../../reach/reach-counts.ts'
import type { ConfirmedAddress } from '../../reach/reachability.ts'
import { addressProblem } from '../addresses.ts'
import type { Handlers } from '../link/handlers.ts'
import type { Link } from '../link/link.ts'
import type { LinkHandshake, Meeting } from '../link/link-handshake.ts'
import type { Links } from '../link/links.ts'
import { tellerOf } from '../link/teller-of.ts'
import { type Circuit, createCircuit, openCircuit } from './circuit.ts'
import { type CircuitEnd, type CircuitEndListener, createCircuitEnds } from './circuit-ends.ts'
import { createDialBack, NotTried } from './dial-back.ts'
import { createDirectPath, type SeenAt } from './direct-path.ts'
import {
  dialBackAnswer,
  dialBackProtocol,
  dialBackRequest,
  directPathProtocol,
  maxDialBackAddresses,
  relayProtocol,
  reservationAnswer,
} from './protocols.ts'
import { createReachability, patienceMs, type Reachability } from './reachability.ts'
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
   * Addresses beyond the listening ones, without peer id: confirmed observed addresses, and addresses through relays.
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

export interface ReachInit {
  /** Whether to be a relay for others, when this node itself is not hidden. */
  relay: boolean
  limits: Limits
}

export interface ReachComponents {
  links: Links
  handlers: Handlers
  meeting: Pick<LinkHandshake, 'probe' | 'meet'>
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
/** Addresses of a relay that this node announces itself under. */
const maxAddressesPerRelay = 2
/** Addresses of a peer that are dialled when no hole was punched. */
const maxOwnAddresses = 4

export function createReach(init: ReachInit, components: ReachComponents): Reach {
  const { limits } = init
  const { links, handlers, meeting, dialGate, listened, told, dial, onCircuit, adopt, onChange, reached, counter, logger } = components
  const observed = createObserved()
  const relay = createRelay({ limits }, { legs: () => legs, linkTo: (other) => links.get(other), reached, counter })
  const showing = createShowing({ hasCircuit: (one, other) => relay.joins(one, other) })
  const legs = createCircuitEnds(
    { maxLegsPerLink: limits.maxStreamsPerConnection },
    { onBegin, onShow, onSeen: (link, peerId, at) => directPath.seen(link, peerId, at) },
  )
  const directPath = createDirectPath({
    links,
    relayOf: (link) => links.get(peerIdOf(multiaddr(link.remote.slice(0, -circuitSuffix.length))) ?? ''),
    show: (over, other) => legs.show(over, other),
    meet,
    dialOwn,
    stopping: () => stopping.signal,
    onEnd: counter.punched,
    logger,
  })
  const reachability = createReachability({
    now: () => performance.now(),
    candidates,
    dialsBack: () => speaking(dialBackProtocol),
    relays: () => speaking(relayProtocol),
    askDialBack,
    reserve,
    onChange,
  })
  /** Links through routers, whose peers cannot be dialled: they are no relays, and judge nothing. */
  const crossing = new WeakSet<Link>()
  let timer: NodeJS.Timeout | undefined
  let patience: NodeJS.Timeout | undefined
  let stopping = new AbortController()

  function speaking(protocol: string): string[] {
    const direct = [...links.all].filter((link) => !link.isRelayed && !crossing.has(link))
    return direct.filter((link) => link.hello.protocols.includes(protocol)).map((link) => link.peerId)
  }

  /** Observed IP addresses with the listening port, on the assumption that the router forwards it. */
  function observedAddresses(): string[] {
    const own = listened()
    const [first] = own.map((text) => endpointOf(multiaddr(text)))
    if (first === undefined) return []
    const seen = observed.addresses().map((ip) => `/${ip.includes(':') ? 'ip6' : 'ip4'}/${ip}/tcp/${first.port}/${first.form}`)
    return seen.filter((address) => !own.includes(address))
  }

  function candidates(): string[] {
    return [...observedAddresses(), ...listened()].slice(0, maxDialBackAddresses)
  }

  async function askDialBack(other: string, multiaddrs: string[]) {
    const link = links.get(other)
    if (link === undefined) return []
    const body = dialBackRequest.encode({ multiaddrs })
    return dialBackAnswer.decode(await link.request(dialBackProtocol, body, { signal: stopping.signal, maxAnswerBytes })).results
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

  async function meet({ ip, port }: SeenAt, over: Link, side: Meeting, signal: AbortSignal): Promise<void> {
    if (!isPublicAddress(ip)) throw new Error('the peer has no public address')
    if (isIP(ip) !== isIP(over.seenAt ?? '')) throw new Error('the peer is seen at an address of another kind than this node')
    const address = multiaddr(`/${isIP(ip) === 6 ? 'ip6' : 'ip4'}/${ip}/tcp/${port}/ws`)
    told([address.toString()], tellerOf(over))
    await dialGate.dial(address, signal, async (target) => {
      const link = await meeting.meet(target, side, signal)
      crossing.add(link)
      await adopt(link)
    })
  }

  async function dialOwn({ peerId: other, hello }: Link): Promise<void> {
    const { signal } = stopping
    for (const address of directAddresses(hello.multiaddrs).slice(0, maxOwnAddresses)) {
      if (signal.aborted || links.get(other)?.isRelayed !== true) return
      await dial(address, signal).catch((err: unknown) => logger.debug({ err, address }, 'a peer behind a relay was not reached'))
    }
  }

  function note(link: Link): void {
    if (link.direction === 'outbound') observed.note(link.peerId, link.hello.observed)
    if (reachability.state !== 'direct') stepReachability()
    patience ??= setTimeout(() => {
      patience = undefined
      if (reachability.state !== 'direct') stepReachability()
    }, patienceMs)
    directPath.step()
  }

  function step(): void {
    stepReachability()
    directPath.step()
  }

  function stepReachability(): void {
    reachability.step().catch((err: unknown) => logger.warn({ err }, 'failed to determine how this node is reached'))
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
      handlers.set(directPathProtocol, directPath.handle, handleOptions)
      if (init.relay) handlers.set(relayProtocol, onReserve, handleOptions)
      timer = setInterval(step, stepMs)
    },
    async stop() {
      clearInterval(timer)
      clearTimeout(patience)
      patience = undefined
      stopping.abort(new Error('the node was stopped'))
      handlers.delete(dialBackProtocol)
      handlers.delete(relayProtocol)
      handlers.delete(directPathProtocol)
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
      return [...observedAddresses().filter((address) => confirmed.has(address)), ...throughRelays()]
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
