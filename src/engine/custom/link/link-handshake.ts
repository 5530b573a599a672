import type { Logger } from 'pino'
import { omitUndefined } from '../../../lib/omit-undefined.ts'
import { answerWebSocket } from '../../dial/answer-web-socket.ts'
import { endpointOf, withoutPeerId } from '../../dial/endpoint.ts'
import type { DialTarget } from '../../dial/gate.ts'
import { type OpenedWebSocket, openWebSocket } from '../../dial/open-web-socket.ts'
import { type Arrivals, createArrivals } from './arrivals.ts'
import { type Established, establish, maxRecordFragments, subprotocol } from './establish.ts'
import { createFrameBudgets } from './frame-budget.ts'
import { frameBoundsFor, frameTypes } from './frame-types.ts'
import { encodeGoodbye, type Goodbye } from './goodbye.ts'
import type { Handlers } from './handlers.ts'
import type { Hello } from './hello.ts'
import type { Link, LinkComponents, LinkLimits } from './link.ts'
import type { Incoming } from './listener.ts'
import { openLink } from './open-link.ts'
import type { RecordSocket } from './record-socket.ts'
import { createSecureChannel, maxSocketMessageBytes } from './secure-channel.ts'

/** Makes links: opens a socket, performs the handshake, exchanges hellos. */
export interface LinkHandshake {
  /** Dials an address that the dial policy allowed. @throws Error when there is no link before the signal fires */
  call(target: DialTarget, expectedPeerId: string | undefined, signal: AbortSignal): Promise<Link>
  /** `call` over an open socket, such as a circuit. */
  callOver(socket: RecordSocket, side: { expectedPeerId: string; remote: string }, signal: AbortSignal): Promise<Link>
  /**
   * `call` or `answer` on a connection that both ends open at the same moment, from a local port that other connections
   * use too.
   */
  meet(target: DialTarget, side: Meeting, signal: AbortSignal): Promise<Link>
  /** The same over an open socket whose ends have found each other. */
  meetOver(socket: RecordSocket, side: MeetingOver, signal: AbortSignal): Promise<Link>
  /** Performs the handshake only. @throws Error when the peer at the address is not the expected one */
  probe(target: DialTarget, expectedPeerId: string, signal: AbortSignal): Promise<void>
  /** `probe` over an open socket, which is closed afterwards. */
  probeOver(socket: RecordSocket, expectedPeerId: string, signal: AbortSignal): Promise<void>
  /** Notes whether a peer dials this node. */
  arrivalOf: Arrivals['of']
  /** Accepts an inbound socket. @throws Error when it does not become a link before the signal fires */
  answer(incoming: Incoming, signal: AbortSignal): Promise<Link>
}

/** A side of a link whose ends connect to each other at the same moment. */
export interface Meeting {
  /** The initiator is the client of the WebSocket, and the dialling end of the link. */
  role: 'initiator' | 'responder'
  expectedPeerId: string
  localPort: number
  /** Where the peer can be dialled again, without peer id: not at the address of its router. */
  dialledAt: string
}

/** A side of a link on a socket that is open. */
export interface MeetingOver extends Omit<Meeting, 'localPort'> {
  /** The way to the other end, as multiaddr without peer id. */
  remote: string
}

export interface LinkHandshakeInit {
  limits: LinkLimits
  /** The 32 bytes of the node's Ed25519 private key. */
  seed: Uint8Array
  /** This node's hello to a peer that it observes at an address. */
  hello(observed: string): Hello
}

export interface LinkHandshakeComponents extends Pick<LinkComponents, 'onFrame' | 'onUpdate' | 'onClose' | 'reading' | 'reached'> {
  /** Why this node refuses a peer that has proved its identity. The peer gets a goodbye instead of a hello. */
  refusal(peerId: string): Refusal | undefined
  handlers: Handlers
  logger: Logger
}

/** Why a link is refused: `error` for the dialling code here, `goodbye` for the peer. */
export interface Refusal {
  error: Error
  goodbye: Goodbye
}

const bounds = { maxPayload: maxSocketMessageBytes, maxFragments: maxRecordFragments }

export function createLinkHandshake(init: LinkHandshakeInit, components: LinkHandshakeComponents): LinkHandshake {
  const { limits, seed } = init
  const budgets = createFrameBudgets()
  const arrivals = createArrivals()
  let dials = 0

  async function make(socket: RecordSocket, side: Side, signal: AbortSignal): Promise<Link> {
    const { role, expectedPeerId, remote, seenAt, observed, localPort } = side
    try {
      const established = await establish(socket, { role, seed, expectedPeerId }, signal)
      if (side.isDialled === true) arrivals.arrived(established.session.remotePeerId)
      const refusal = components.refusal(established.session.remotePeerId)
      if (refusal !== undefined) {
        await dismiss(socket, established, refusal.goodbye)
        throw refusal.error
      }
      const direction = role === 'initiator' ? 'outbound' : 'inbound'
      const dial = role === 'initiator' ? ++dials : undefined
      const hello = () => ({ ...init.hello(observed), ...omitUndefined({ dial }) })
      const budget = budgets.of(established.session.remotePeerId)
      const dialledAt = role === 'initiator' ? (side.dialledAt ?? remote) : undefined
      return await openLink(
        { limits, direction, remote, seenAt, dialledAt, localPort, hello },
        { ...components, socket, established, budget },
        signal,
      )
    } catch (error) {
      socket.terminate()
      throw error
    }
  }

  function open(target: DialTarget, signal: AbortSignal, localPort?: number): Promise<OpenedWebSocket> {
    return openWebSocket(target, { ...bounds, subprotocols: [subprotocol], localPort, signal })
  }

  async function probeOver(socket: RecordSocket, expectedPeerId: string, signal: AbortSignal): Promise<void> {
    try {
      await establish(socket, { role: 'initiator', seed, expectedPeerId }, signal)
      // The last message proves this node's identity. It arrives before the end of the socket.
      socket.close()
      setTimeout(() => socket.terminate(), probeGraceMs).unref()
    } catch (error) {
      socket.terminate()
      throw error
    }
  }

  return {
    async call(target, expectedPeerId, signal) {
      const { socket, localPort } = await open(target, signal)
      const remote = withoutPeerId(target.address)
      return await make(socket, { role: 'initiator', expectedPeerId, remote, seenAt: target.ip, observed: target.ip, localPort }, signal)
    },
    callOver: (socket, side, signal) => make(socket, { ...side, role: 'initiator', seenAt: undefined, observed: '' }, signal),
    async meet(target, meeting, signal) {
      const { role, localPort } = meeting
      const end = { ip: target.ip, port: endpointOf(target.address)?.port ?? 0 }
      const socket =
        role === 'initiator'
          ? (await open(target, signal, localPort)).socket
          : await answerWebSocket(end, { ...bounds, localPort, subprotocol, signal })
      const remote = withoutPeerId(target.address)
      // The local port is that of another link.
      return await make(socket, { ...meeting, remote, seenAt: target.ip, observed: target.ip, localPort: undefined }, signal)
    },
    meetOver: (socket, side, signal) => make(socket, { ...side, seenAt: undefined, observed: '' }, signal),
    probe: async (target, expectedPeerId, signal) => await probeOver((await open(target, signal)).socket, expectedPeerId, signal),
    probeOver,
    arrivalOf: arrivals.of,
    answer({ socket, remote, seenAt, observed }, signal) {
      const isDialled = seenAt !== undefined
      return make(socket, { role: 'responder', expectedPeerId: undefined, remote, seenAt, observed, isDialled }, signal)
    },
  }
}

interface Side {
  role: 'initiator' | 'responder'
  expectedPeerId: string | undefined
  remote: string
  seenAt: string | undefined
  observed: string
  localPort?: number | undefined
  /** Whether the peer has dialled an address of this node, rather than through a relay. */
  isDialled?: boolean
  /** For the initiator; the default is `remote`. */
  dialledAt?: string
}

/** Milliseconds after which the socket of a probe is cut. */
const probeGraceMs = 1_000

/** Room for the one frame that is written, with the overhead of its records. */
const maxGoodbyeWaitingBytes = 65_536

/** Sends a goodbye instead of a hello; resolves when the socket is closed, within a second. */
async function dismiss(socket: RecordSocket, established: Established, goodbye: Goodbye): Promise<void> {
  const closed = Promise.withResolvers<void>()
  // Inbound frames are ignored.
  const channel = createSecureChannel(
    { ...frameBoundsFor({ maxMessageBytes: 0 }), maxWaitingBytes: maxGoodbyeWaitingBytes },
    { socket, established, onFrame: () => undefined, onClose: () => closed.resolve() },
  )
  channel.write(frameTypes.goodbye, encodeGoodbye(goodbye))
  channel.close()
  await closed.promise
}
