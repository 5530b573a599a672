import { isIP } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { createDeadline } from '../../../lib/deadline.ts'
import type { Limits } from '../../../limits.ts'
import { peerIdOf } from '../../../model/peer.ts'
import { throughRelays as circuitSuffix, directAddresses } from '../../dial/circuit-address.ts'
import type { DialGate, DialTarget } from '../../dial/gate.ts'
import { isPublicAddress } from '../../dial/policy.ts'
import type { Teller } from '../../dial/tellers.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import { createAllowances, dialWithin, tcpDialBytes } from '../../reach/allowance.ts'
import type { ReachCounter } from '../../reach/reach-counts.ts'
import type { Handlers } from '../link/handlers.ts'
import type { Link } from '../link/link.ts'
import type { LinkHandshake, Meeting } from '../link/link-handshake.ts'
import type { Links } from '../link/links.ts'
import { tellerOf } from '../link/teller-of.ts'
import { createDirectPath, type DirectPath, type SeenAt } from './direct-path.ts'
import { directPathProtocol } from './protocols.ts'
import { createWebRtc } from './webrtc.ts'

/**
 * Direct links in place of those through relays, through the routers of both ends: over TCP, and where that has failed,
 * over UDP.
 */
export interface Crossing extends Pick<DirectPath, 'step' | 'seen'> {
  start(): void
  stop(): Promise<void>
  /** Whether a link leads through routers. Its peer cannot be dialled: it is no relay, and judges nothing. */
  has(link: Link): boolean
}

export interface CrossingInit {
  /** The way over UDP; undefined when the operator has not turned it on. */
  webRtc: { readonly stunPort: number } | undefined
  limits: Limits
}

export interface CrossingComponents {
  links: Links
  handlers: Handlers
  meeting: Pick<LinkHandshake, 'meet' | 'meetOver'>
  dialGate: DialGate
  /** Addresses that a teller names. */
  told(addresses: Iterable<string>, teller: Teller): void
  /** Dials an address that its peer has told. @throws Error */
  dial(address: string, signal: AbortSignal): Promise<unknown>
  /** Takes a link whose peer has said hello. @throws Error when it is not wanted */
  adopt(link: Link): Promise<void>
  /** Asks a relay to show a peer where it sees this node. */
  show(relay: Link, peerId: string): void
  reached: LimitsReached
  counter: ReachCounter
  logger: Logger
}

const handleOptions = { maxRequestBytes: 0, maxConcurrent: 20 }
/** Addresses of a peer that are dialled when no hole was punched. Each has an equal part of the time. */
const maxOwnAddresses = 4

export function createCrossing(init: CrossingInit, components: CrossingComponents): Crossing {
  const { links, handlers, meeting, dialGate, told, dial, adopt, show, counter, logger } = components
  const crossing = new WeakSet<Link>()
  const allowanceOf = createAllowances<Link>((link) => link.receivedBytes())
  let stopping = new AbortController()
  const directPath = createDirectPath({
    links,
    relayOf: (link) => links.get(peerIdOf(multiaddr(link.remote.slice(0, -circuitSuffix.length))) ?? ''),
    show,
    meet,
    dialOwn,
    stopping: () => stopping.signal,
    onEnd(outcome) {
      counter.punched('tcp', outcome)
      webRtc?.step()
    },
    logger,
  })

  const webRtc =
    init.webRtc === undefined
      ? undefined
      : createWebRtc(
          { ...init.webRtc, limits: init.limits },
          {
            ...components,
            isDue: directPath.isSpent,
            allowanceOf,
            isDialable: (link) => link.direction === 'outbound' && !link.isRelayed && !crossing.has(link),
            onOutcome: (outcome) => counter.punched('udp', outcome),
            meet: async (socket, side, signal) => await take(await meeting.meetOver(socket, side, signal)),
            stopping: () => stopping.signal,
          },
        )

  async function meet({ ip, port }: SeenAt, over: Link, side: Meeting, signal: AbortSignal): Promise<void> {
    if (!isPublicAddress(ip)) throw new Error('the peer has no public address')
    if (isIP(ip) !== isIP(over.seenAt ?? '')) throw new Error('the peer is seen at an address of another kind than this node')
    const address = multiaddr(`/${isIP(ip) === 6 ? 'ip6' : 'ip4'}/${ip}/tcp/${port}/ws`)
    told([address.toString()], tellerOf(over))
    const connect = async (target: DialTarget) =>
      await dialWithin(allowanceOf(over), tcpDialBytes, async () => await take(await meeting.meet(target, side, signal)))
    await dialGate.dial(address, signal, connect, { isMutual: true })
  }

  async function take(link: Link): Promise<void> {
    crossing.add(link)
    await adopt(link)
  }

  async function dialOwn(link: Link, ms: number, signal: AbortSignal): Promise<void> {
    const { peerId: other, hello } = link
    const addresses = directAddresses(hello.multiaddrs).slice(0, maxOwnAddresses)
    for (const address of addresses) {
      if (signal.aborted || links.get(other)?.isRelayed !== true) return
      using deadline = createDeadline(ms / addresses.length, [signal])
      const dialled = dialWithin(allowanceOf(link), tcpDialBytes, () => dial(address, deadline.signal))
      await dialled.catch((err: unknown) => logger.debug({ err, address }, 'a peer behind a relay was not reached'))
    }
  }

  return {
    start() {
      stopping = new AbortController()
      handlers.set(directPathProtocol, directPath.handle, handleOptions)
      webRtc?.start()
    },
    async stop() {
      stopping.abort(new Error('the node was stopped'))
      handlers.delete(directPathProtocol)
      await webRtc?.stop()
    },
    step() {
      directPath.step()
      webRtc?.step()
    },
    seen: directPath.seen,
    has: (link) => crossing.has(link),
  }
}
