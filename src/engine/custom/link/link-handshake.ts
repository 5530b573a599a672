import type { Logger } from 'pino'
import { omitUndefined } from '../../../lib/omit-undefined.ts'
import { withoutPeerId } from '../../dial/endpoint.ts'
import type { DialTarget } from '../../dial/gate.ts'
import { openWebSocket } from '../../dial/open-web-socket.ts'
import { type Established, establish, subprotocol } from './establish.ts'
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

/** How two nodes come to have a link: a socket, the handshake, the hellos. */
export interface LinkHandshake {
  /** Dials an address that was judged. @throws Error when it does not become a link before the signal fires */
  call(target: DialTarget, expectedPeerId: string | undefined, signal: AbortSignal): Promise<Link>
  /** The same over a socket that is there, such as a circuit. */
  callOver(socket: RecordSocket, side: { expectedPeerId: string; remote: string }, signal: AbortSignal): Promise<Link>
  /** Only proves who is at an address. @throws Error when it is not the expected peer */
  probe(target: DialTarget, expectedPeerId: string, signal: AbortSignal): Promise<void>
  /** The same over a socket that is there, which ends with it. */
  probeOver(socket: RecordSocket, expectedPeerId: string, signal: AbortSignal): Promise<void>
  /** Takes a socket that somebody opened. @throws Error when it does not become a link in time */
  answer(incoming: Incoming): Promise<Link>
}

export interface LinkHandshakeInit {
  limits: LinkLimits
  /** The 32 bytes of the node's Ed25519 private key. */
  seed: Uint8Array
  /** This node's words to a peer that it sees at an address. */
  hello(observed: string): Hello
}

export interface LinkHandshakeComponents extends Pick<LinkComponents, 'onFrame' | 'onUpdate' | 'onClose' | 'reading' | 'reached'> {
  /** Why this node wants no link with a peer that has proved who it is; the peer is told, and not greeted. */
  refusal(peerId: string): Refusal | undefined
  handlers: Handlers
  logger: Logger
}

/** Why there is to be no link: for whoever dialled here, and for the peer. */
export interface Refusal {
  error: Error
  goodbye: Goodbye
}

export function createLinkHandshake(init: LinkHandshakeInit, components: LinkHandshakeComponents): LinkHandshake {
  const { limits, seed } = init
  const budgets = createFrameBudgets()
  let dials = 0

  async function meet(socket: RecordSocket, side: Side, signal: AbortSignal): Promise<Link> {
    const { role, expectedPeerId, remote, seenAt, observed } = side
    try {
      const established = await establish(socket, { role, seed, expectedPeerId }, signal)
      const refusal = components.refusal(established.session.remotePeerId)
      if (refusal !== undefined) {
        await dismiss(socket, established, refusal.goodbye)
        throw refusal.error
      }
      const direction = role === 'initiator' ? 'outbound' : 'inbound'
      const dial = role === 'initiator' ? ++dials : undefined
      const hello = () => ({ ...init.hello(observed), ...omitUndefined({ dial }) })
      const budget = budgets.of(established.session.remotePeerId)
      return await openLink({ limits, direction, remote, seenAt, hello }, { ...components, socket, established, budget }, signal)
    } catch (error) {
      socket.terminate()
      throw error
    }
  }

  function open(target: DialTarget, signal: AbortSignal): Promise<RecordSocket> {
    return openWebSocket(target, { maxPayload: maxSocketMessageBytes, subprotocols: [subprotocol], signal })
  }

  async function probeOver(socket: RecordSocket, expectedPeerId: string, signal: AbortSignal): Promise<void> {
    try {
      await establish(socket, { role: 'initiator', seed, expectedPeerId }, signal)
    } finally {
      socket.terminate()
    }
  }

  return {
    async call(target, expectedPeerId, signal) {
      const socket = await open(target, signal)
      const remote = withoutPeerId(target.address)
      return await meet(socket, { role: 'initiator', expectedPeerId, remote, seenAt: target.ip, observed: target.ip }, signal)
    },
    callOver: (socket, side, signal) => meet(socket, { ...side, role: 'initiator', seenAt: undefined, observed: '' }, signal),
    probe: async (target, expectedPeerId, signal) => await probeOver(await open(target, signal), expectedPeerId, signal),
    probeOver,
    answer({ socket, remote, seenAt, observed, signal }) {
      return meet(socket, { role: 'responder', expectedPeerId: undefined, remote, seenAt, observed }, signal)
    },
  }
}

interface Side {
  role: 'initiator' | 'responder'
  expectedPeerId: string | undefined
  remote: string
  seenAt: string | undefined
  observed: string
}

/** The one frame that is written, and what its records cost. */
const maxGoodbyeWaitingBytes = 65_536

/** Says goodbye instead of hello; resolves when the socket is closed, which takes a second at most. */
async function dismiss(socket: RecordSocket, established: Established, goodbye: Goodbye): Promise<void> {
  const closed = Promise.withResolvers<void>()
  // Nothing that comes is looked at.
  const channel = createSecureChannel(
    { ...frameBoundsFor({ maxMessageBytes: 0 }), maxWaitingBytes: maxGoodbyeWaitingBytes },
    { socket, established, onFrame: () => undefined, onClose: () => closed.resolve() },
  )
  channel.write(frameTypes.goodbye, encodeGoodbye(goodbye))
  channel.close()
  await closed.promise
}
