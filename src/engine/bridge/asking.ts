import { randomBytes } from 'node:crypto'
import { PeerNotConnected, PeerUnreachable, ProtocolUnsupported } from '../../errors.ts'
import { BoundedMap } from '../../lib/bounded-map.ts'
import { createDeadline, orAborted } from '../../lib/deadline.ts'
import { createSemaphores } from '../../lib/semaphores.ts'
import { createSingleFlight, type SingleFlight } from '../../lib/single-flight.ts'
import type { Limits } from '../../limits.ts'
import type { P2PEngine, RequestOptions } from '../engine.ts'
import { createBridgeChoice } from './bridge-choice.ts'
import { type Carried, type Carry, decodeCarried, encodeCarry, newSearch } from './carry.ts'
import { type Answer, beginMs, encodeRequest, envelopeOverheadBytes, nonceBytes, openAnswer, sealQuestion } from './envelopes.ts'
import { bridgeProtocol } from './protocols.ts'
import { sealRequest } from './sealing.ts'

/** The asker's side: requests to peers that are not linked, through linked bridges. */
export interface Asking {
  /**
   * The recipient proves that it is there before anything of the request is sent; then the request is sent once, and
   * begins at most once.
   * @throws PeerNotConnected when no linked bridge reaches the peer; nothing of the request has left this node
   * @throws ProtocolUnsupported when the peer says so
   * @throws PeerUnreachable when the bridge brings no answer of the peer, or a wrong one
   */
  request(peerId: string, protocol: string, body: Uint8Array, options: RequestOptions): Promise<Uint8Array>
}

export interface AskingInit {
  peerId: string
  seed: Uint8Array
  limits: Pick<Limits, 'requestTimeoutMs' | 'maxRequestsToPeer' | 'maxServiceQueue'>
}

export interface AskingComponents {
  engine: Pick<P2PEngine, 'peers' | 'request'>
  /** A peer has answered a request through a linked bridge, and those beyond it in their order. */
  onAnswered(peerId: string, bridge: string, beyond: string[]): void
}

/** The way to a peer: a linked bridge, those beyond it in their order, and what the peer's ticket says. */
interface Route {
  bridge: string
  beyond: string[]
  run: Uint8Array
  key: Uint8Array
  /** The peer's time when it wrote the ticket, and this node's when the ticket came. */
  theirNow: number
  at: number
}

/** Bridges that are asked for one peer at a time. */
const maxBridges = 8
/** Milliseconds in which a bridge finds out whether the peer is there, and after which it counts as silent. */
const findMs = 3_000
const silentAfterMs = 5_000
/** Milliseconds for which a silent bridge is not asked, so that it does not delay what can go another way. */
const silentMs = 60_000
/**
 * Milliseconds for which a search that has not found a peer is not repeated through the same bridge, since it makes many
 * work, and how many such pairs of bridge and peer are remembered.
 */
const notFoundMs = 5_000
const maxNotFound = 200
/** Milliseconds for which other bridges to a peer are asked before one that brought no good answer of it. */
const failedMs = 600_000
/** Milliseconds for which a ticket is used. */
const routeMs = 60_000
const maxRoutes = 1_000
/** Bytes of the bridges' ids in an answer. */
const maxRouteBytes = 2_048

export function createAsking(init: AskingInit, components: AskingComponents): Asking {
  const { peerId: from, seed, limits } = init
  const { engine, onAnswered } = components
  const routes = new BoundedMap<string, Route>({ max: maxRoutes })
  /** Places for requests through each bridge, to all peers together. */
  const places = createSemaphores({ max: limits.maxRequestsToPeer, maxWaiting: limits.maxServiceQueue })
  const finding = new Map<string, SingleFlight<Route>>()
  /** By bridge, until when it is not asked. */
  const silent = new BoundedMap<string, number>({ max: maxRoutes })
  /** By bridge and peer, until when no search for the peer goes through the bridge. */
  const notFound = new BoundedMap<string, number>({ max: maxNotFound })
  /** By peer and bridge, until when others are asked first, since that bridge brought no good answer of the peer. */
  const failed = new BoundedMap<string, number>({ max: maxRoutes })
  const choice = createBridgeChoice({ max: maxBridges })

  /** @throws CarryRefused */
  async function askBridge(
    bridge: string,
    carry: Carry,
    { signal, maxAnswerBytes }: RequestOptions,
  ): Promise<{ answer: Answer; route: string[] }> {
    const { to, envelope: question } = carry
    const options = { signal, maxAnswerBytes: maxAnswerBytes + envelopeOverheadBytes }
    const carried = decodeCarried(await engine.request(bridge, bridgeProtocol, encodeCarry(carry), options))
    if (carried.status !== 'answered') throw new CarryRefused(carried.status)
    return { answer: await openAnswer(carried.envelope, { question, from: to }), route: carried.route ?? [] }
  }

  async function ticketThrough(bridge: string, { to, envelope, search }: Pick<Carry, 'to' | 'envelope' | 'search'>): Promise<Route> {
    using deadline = createDeadline(silentAfterMs, [])
    try {
      const carry = { to, envelope, timeoutMs: findMs, ...(search === undefined ? {} : { search }) }
      const { answer, route } = await askBridge(bridge, carry, { signal: deadline.signal, maxAnswerBytes: maxRouteBytes })
      if (answer.status !== 'ticket') throw new Error('the peer gave no ticket')
      const { run, key, now } = answer
      return { bridge, beyond: search === undefined ? [] : route, run, key, theirNow: now, at: performance.now() }
    } catch (error) {
      if (deadline.isOver) silent.set(bridge, performance.now() + silentMs)
      throw error
    }
  }

  /** The way through the first of these bridges that brings a ticket. Notes why others bring none, by bridge. */
  async function findThrough(
    bridges: string[],
    to: string,
    { search, problems }: { search?: Carry['search']; problems: Map<string, unknown> },
  ): Promise<Route | undefined> {
    // One question, so that bridges know it again when it reaches them on several ways.
    const envelope = await sealQuestion({ type: 'ticket', to, nonce: randomBytes(nonceBytes) }, seed)
    const asked = bridges.map((bridge) =>
      ticketThrough(bridge, { to, envelope, ...(search === undefined ? {} : { search }) }).catch((error: unknown) => {
        if (!problems.has(bridge)) problems.set(bridge, error)
        throw error
      }),
    )
    // The first ticket wins; an empty list has none.
    return await Promise.any(asked).catch(() => undefined)
  }

  /** Has bridges look further, except those that did so in vain a short time ago. */
  async function search(bridges: string[], to: string, problems: Map<string, unknown>): Promise<Route | undefined> {
    const asked = bridges.filter((bridge) => (notFound.get(`${bridge} ${to}`) ?? 0) <= performance.now())
    const found = await findThrough(asked, to, { search: newSearch(), problems })
    if (found === undefined) for (const bridge of asked) notFound.set(`${bridge} ${to}`, performance.now() + notFoundMs)
    return found
  }

  /** Asks bridges that are linked to the peer first; those without a link to it are then asked to look further. @throws PeerNotConnected */
  async function find(to: string): Promise<Route> {
    const isAsked = (bridge: string) => bridge !== to && (silent.get(bridge) ?? 0) <= performance.now()
    const hasFailed = (bridge: string) => (failed.get(`${bridge} ${to}`) ?? 0) > performance.now()
    const bridges = (await engine.peers()).filter(({ peerId, protocols }) => protocols.includes(bridgeProtocol) && isAsked(peerId))
    const first = choice.choose(bridges.filter(({ peerId }) => !hasFailed(peerId)))
    const last = bridges.filter(({ peerId }) => hasFailed(peerId)).slice(0, maxBridges)
    const problems = new Map<string, unknown>()
    for (const some of [first, last.map(({ peerId }) => peerId)]) {
      const near = await findThrough(some, to, { problems })
      if (near !== undefined) return near
      const unlinked = some.filter((bridge) => isNoLink(problems.get(bridge)))
      const far = await search(unlinked, to, problems)
      if (far !== undefined) return far
    }
    if (problems.size === 0) throw new PeerNotConnected('There is no link to this peer; dial it first.')
    const reasons = Array.from(problems, ([bridge, error]) => `${bridge}: ${reasonOf(error)}`)
    throw new PeerNotConnected(`There is no link to this peer, and no linked bridge reaches it (${reasons.join('; ')}).`)
  }

  /** The way to a peer. Requests that need it at the same time find it together. @throws PeerNotConnected */
  async function routeTo(to: string): Promise<Route> {
    const route = routes.get(to)
    if (route !== undefined && performance.now() - route.at < routeMs) return route
    const flight = finding.get(to) ?? createSingleFlight(() => find(to).finally(() => finding.delete(to)))
    finding.set(to, flight)
    const found = await flight.run()
    routes.set(to, found)
    return found
  }

  /**
   * Sends the request. Returns what the peer says, with the box of its answer opened; undefined when nothing has left.
   * @throws PeerUnreachable
   */
  async function send(to: string, route: Route, text: Uint8Array, options: RequestOptions): Promise<Said | undefined> {
    const { signal, maxAnswerBytes } = options
    const { bridge, beyond, run } = route
    using place = await places.take(bridge, signal)
    if (place === undefined) throw new PeerUnreachable(`Too many requests wait for a place at the bridge ${bridge}.`)
    const { key, box, openAnswer: open } = sealRequest(text, route.key, { from, to })
    const until = Math.floor(route.theirNow + (performance.now() - route.at)) + beginMs
    const envelope = await sealQuestion({ type: 'request', to, nonce: randomBytes(nonceBytes), run, until, key, box }, seed)
    const carry = { to, envelope, timeoutMs: limits.requestTimeoutMs, ...(beyond.length === 0 ? {} : { route: beyond }) }
    try {
      const { answer } = await askBridge(bridge, carry, { signal, maxAnswerBytes })
      if (answer.status === 'ticket') throw new Error('the peer gave a ticket')
      return answer.status === 'answered' ? { status: 'answered', text: open(answer.box) } : { status: answer.status }
    } catch (error) {
      routes.delete(to)
      if (error instanceof PeerNotConnected) return undefined
      failed.set(`${bridge} ${to}`, performance.now() + failedMs)
      signal.throwIfAborted()
      throw new PeerUnreachable(`The bridge ${bridge} brought no answer of the peer: ${reasonOf(error)}.`, { cause: error })
    }
  }

  function answerOf(said: Exclude<Said, { status: 'stale' }>, maxAnswerBytes: number): Uint8Array {
    switch (said.status) {
      case 'answered':
        if (said.text.length > maxAnswerBytes) throw new PeerUnreachable('The answer of the peer is too large.')
        return said.text
      case 'unsupported':
        throw new ProtocolUnsupported('The peer does not answer this protocol through a bridge.')
      case 'refused':
        throw new PeerUnreachable('The peer did not answer the request.')
      default:
        return said satisfies never
    }
  }

  return {
    async request(to, protocol, body, options) {
      const text = encodeRequest({ protocol, body })
      for (let attempt = 1; attempt <= maxAttempts; attempt++) {
        const route = await orAborted(routeTo(to), options.signal)
        const said = await send(to, route, text, options)
        if (said !== undefined && said.status !== 'stale') {
          failed.delete(`${route.bridge} ${to}`)
          choice.brought(route.bridge)
          onAnswered(to, route.bridge, route.beyond)
          return answerOf(said, options.maxAnswerBytes)
        }
        routes.delete(to)
      }
      throw new PeerNotConnected('There is no link to this peer, and the way through a bridge has just ended.')
    },
  }
}

/** What a peer says of a request. `stale`: it has not begun, and may be sent with a new ticket. */
type Said = { status: 'answered'; text: Uint8Array } | { status: 'stale' } | { status: 'unsupported' } | { status: 'refused' }

const maxAttempts = 2

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\.$/, '') : String(error)
}

const refusals: Record<Exclude<Carried['status'], 'answered'>, string> = {
  no_link: 'it has no link to the peer in another network',
  unsupported: 'the peer takes nothing from bridges',
  busy: 'it carries too many requests, in all or to the peer',
  unanswered: 'the peer has not answered it',
}

/** A bridge has not carried an envelope, for a reason that it names. */
class CarryRefused extends Error {
  readonly status: keyof typeof refusals

  constructor(status: keyof typeof refusals) {
    super(refusals[status])
    this.status = status
  }
}

const isNoLink = (error: unknown) => error instanceof CarryRefused && error.status === 'no_link'
